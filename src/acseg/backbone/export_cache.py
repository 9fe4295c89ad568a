"""Backbones converted to OpenVINO, kept in acseg's cache.

Converting takes seconds, and is most of what can be saved. OpenVINO's own CACHE_DIR keeps only the
compiled model, which comes after it.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from acseg.backbone.blocks import Blocks
from acseg.backbone.cache import cache_root, new_folder
from acseg.errors import BackboneError

log = logging.getLogger("acseg")

FORMAT = 2  # of what `Blocks` takes and gives; raise it where that changes
KEPT = 6  # conversions; the one used longest ago goes first
LIBRARIES = ("openvino", "torch", "transformers")


def export_key(blocks: Blocks) -> str:
    """Name a conversion by a checksum of weights, configuration and versions of libraries."""
    digest = hashlib.sha256()
    config = blocks.vit.model.config.to_dict()
    config.pop("_name_or_path", None)  # where it was loaded from changes nothing
    versions = tuple(version(name) for name in LIBRARIES)
    digest.update(repr((FORMAT, blocks.blocks, sorted(config.items()), versions)).encode())
    for name, weight in blocks.state_dict().items():
        digest.update(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
        digest.update(weight.detach().contiguous().numpy())
    return digest.hexdigest()[:32]


def kept_or_made(
    key: str,
    read: Callable[[Path], Any],
    make: Callable[[], Any],
    save: Callable[[Any, Path], None],
) -> Any:
    """Read a model from the cache; make it, and save it there, where that cannot be done.

    Parameters
    ----------
    key : str
        Of `export_key`.
    read : callable
        From the path of model.xml; raises RuntimeError where it is missing or broken.
    make, save : callable
        Give the model; write it under a path. A cache that cannot be written to is no error.
    """
    folder = cache_root() / "openvino" / key
    try:
        model = read(folder / "model.xml")
        os.utime(folder)
        return model
    except (OSError, RuntimeError):
        shutil.rmtree(folder, ignore_errors=True)
    model = make()
    try:
        with new_folder(folder) as part:
            save(model, part / "model.xml")
        forget_old(folder.parent)
    except (BackboneError, OSError, RuntimeError) as error:
        log.info("the converted backbone is not kept: %s", error)
    return model


def forget_old(root: Path) -> None:
    """Keep the `KEPT` conversions that were used last."""
    folders = [p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")]
    for folder in sorted(folders, key=lambda p: p.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
