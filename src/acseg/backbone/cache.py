"""Where acseg keeps backbones that it fetched, and how a folder is written there."""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acseg.errors import BackboneError

DAY = 24 * 3600  # seconds after which what a killed command left is removed


def cache_root() -> Path:
    """Return the cache of acseg: `$ACSEG_CACHE`, or the usual place of the operating system."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("ACSEG_CACHE") or user_cache_path("acseg"))


def own_folder(name: str) -> Path:
    """Return where a fetched backbone is kept, whether it is there or not.

    Parameters
    ----------
    name : str
        A short name ("dinov2-small") or a name on the hub.
    """
    return cache_root() / "backbones" / name.replace("/", "--")


@contextmanager
def scratch_folder(folder: Path, *, megabytes: int = 0) -> Iterator[Path]:
    """Give an empty temporary folder beside `folder`, which is gone after the block.

    Parameters
    ----------
    folder : Path
        Folders above it are made.
    megabytes : int
        What will be written, to be missed before the work rather than after it.

    Raises
    ------
    BackboneError
        If the disk is full or the place cannot be written to.
    """
    part = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        forget_old_parts(folder)
        if shutil.disk_usage(folder.parent).free < megabytes * 10**6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
        yield part
    except OSError as error:
        raise BackboneError(cannot_write(folder, error, megabytes)) from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def new_folder(folder: Path, *, megabytes: int = 0) -> Iterator[Path]:
    """Give an empty folder that takes the place of `folder` when the block ends well.

    Whatever ends the block otherwise, nothing is left of it. Parameters and errors are those of
    `scratch_folder`; `folder` is not there yet, or empty.
    """
    with scratch_folder(folder, megabytes=megabytes) as part:
        yield part
        open_to_others(part, 0o777)  # it was made for its owner alone
        try:
            os.replace(part, folder)
        except OSError:
            if not folder.is_dir() or not any(folder.iterdir()):
                raise  # else another process was first


def cannot_write(folder: Path, error: OSError, megabytes: int = 0) -> str:
    """Put together the line about a place that cannot be written to."""
    reason = error.strerror or str(error)
    needed = f" ({megabytes} MB are needed)" if megabytes else ""
    return (
        f"cannot write {folder}: {reason}{needed}; make room, or choose another place: set "
        "ACSEG_CACHE for `acseg backbones fetch`, -o for `acseg backbones import`"
    )


def forget_old_parts(folder: Path) -> None:
    """Remove what a command that was killed more than a day ago left beside `folder`."""
    for part in folder.parent.glob(f".{folder.name}.*.part"):
        if time.time() - part.stat().st_mtime > DAY:
            shutil.rmtree(part, ignore_errors=True)


def open_to_others(path: Path, mode: int) -> None:
    """Give a file or folder the mode that it would have had without a temporary one."""
    mask = os.umask(0o022)
    os.umask(mask)
    os.chmod(path, mode & ~mask)
