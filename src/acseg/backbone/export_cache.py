"""Exports of backbones for other runtimes, kept in the user's cache folder."""

import atexit
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from acseg.backbone.blocks import Blocks

log = logging.getLogger("acseg")

FORMAT = 1  # of what `Blocks` takes and gives; raise it where that changes
KEPT = 6  # exports in the cache; the one used longest ago goes first


def cache_folder() -> Path:
    """Return where exports are kept: $XDG_CACHE_HOME/acseg/exports, or ~/.cache/acseg/exports."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "acseg" / "exports"


def export_key(blocks: Blocks, libraries: tuple[str, ...]) -> str:
    """Name an export by the checksum of its weights, its settings and the libraries' versions."""
    digest = hashlib.sha256()
    config = blocks.vit.model.config.to_dict()
    config.pop("_name_or_path", None)  # where it was loaded from changes nothing
    facts = (FORMAT, blocks.block, blocks.features, sorted(config.items()))
    digest.update(repr((*facts, *((name, version(name)) for name in libraries))).encode())
    for name, weight in blocks.state_dict().items():
        digest.update(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
        digest.update(weight.detach().contiguous().numpy())
    return digest.hexdigest()[:32]


def cached_export(key: str, name: str, write: Callable[[Path], None]) -> Path:
    """Return the file `name` of an export, written now where it is not in the cache.

    Parameters
    ----------
    key : str
        Of `export_key`.
    name : str
        Of the file; `write` may put others beside it.
    write : callable
        Writes the export under the path that it is given.

    Returns
    -------
    Path
        In the cache folder, or, where that cannot be written, in a temporary one that goes when
        the program ends.
    """
    root = cache_folder()
    folder = root / key
    if (folder / name).is_file():
        os.utime(folder)
        return folder / name
    try:
        root.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=root, prefix="."))
    except OSError as error:
        log.info("exports are not kept: cannot write to %s (%s)", root, error.strerror)
        fresh = Path(tempfile.mkdtemp(prefix="acseg-"))
        atexit.register(shutil.rmtree, fresh, ignore_errors=True)
        write(fresh / name)
        return fresh / name
    try:
        write(fresh / name)
        os.replace(fresh, folder)
    except OSError:  # another process was first
        shutil.rmtree(fresh, ignore_errors=True)
        if not (folder / name).is_file():
            raise
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    forget_old(root)
    return folder / name


def forget(path: Path) -> None:
    """Remove the export that a file belongs to, for one that cannot be read."""
    shutil.rmtree(path.parent, ignore_errors=True)


def forget_old(root: Path) -> None:
    """Keep the `KEPT` exports that were used last."""
    folders = [p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")]
    for folder in sorted(folders, key=lambda p: p.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
