"""Short names of backbones. Nothing here imports torch."""

import difflib

SHORT_NAMES = {
    "dinov2-small": "facebook/dinov2-small",
    "dinov2-base": "facebook/dinov2-base",
    "dinov2-large": "facebook/dinov2-large",
    "dino-vits8": "facebook/dino-vits8",
    "dino-vits16": "facebook/dino-vits16",
}
OTHER_NAMES = ("auto", "bundled")


def hub_name(name: str) -> str:
    """Return the name on the hub: of a short name what it stands for, of others themselves."""
    return SHORT_NAMES.get(name, name.removeprefix("hf-hub:").removeprefix("hf_hub:"))


def short_name(name: str) -> str:
    """Return the short name of a name on the hub, or the name itself where it has none."""
    name = hub_name(name)
    return next((short for short, full in SHORT_NAMES.items() if full == name), name)


def did_you_mean(name: str) -> str:
    """Say which known name comes closest to an unknown one; empty where none does."""
    known = [*SHORT_NAMES, *OTHER_NAMES]
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}? " if close else ""
