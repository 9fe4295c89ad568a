"""One process at a time writes a folder; its lock goes with it, however it ends."""

import errno
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from acseg.errors import DataError
from acseg.untrusted import inside, open_plain

log = logging.getLogger("acseg")

NONE_HERE = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
"""What file systems without locks answer."""

LONGEST = 4096  # bytes of a lock file


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock of a folder while the block runs.

    The lock is the operating system's: a process that is killed leaves none behind. The file stays,
    empty after a good end, and names its process before that. Where the file system knows no locks,
    that is said and the block runs without.

    Parameters
    ----------
    path : Path
        The lock file, in a sub-folder of the one that it guards, such as OUT/.acseg/lock; made
        where it is missing.

    Yields
    ------
    bool
        Whether the process that held it last did not come to its end.

    Raises
    ------
    DataError
        If another process, or another call in this one, holds it; or if the file is a link or
        was not made by acseg.
    """
    guarded = path.parent.parent
    inside(guarded, f"{path.parent.name}/{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise DataError(
            f"{guarded} is being written by another acseg{_holder(path)}; "
            "wait for its end, or use another folder"
        ) from None
    except OSError as error:
        if error.errno not in NONE_HERE:
            raise
        log.warning("%s: no locks here; see to it that nothing else writes there", guarded)
    try:
        handle = open_plain(path, os.O_RDWR | os.O_CREAT)
        try:
            killed = bool(_read(handle, path))
            _write(handle, {"process": os.getpid(), "machine": socket.gethostname()})
            try:
                yield killed
            finally:
                _write(handle, None)
        finally:
            os.close(handle)
    finally:
        lock.release()


def _read(handle: int, path: Path) -> dict[str, object]:
    """Read who held the lock last; refuse a file that no lock is, lest it be overwritten."""
    text = os.read(handle, LONGEST)
    if not text:
        return {}
    try:
        who = json.loads(text)
        return {"process": who["process"], "machine": who["machine"]}
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path} was not written by acseg; delete it, or use another folder") from (
            None
        )


def _write(handle: int, who: dict[str, object] | None) -> None:
    with suppress(PermissionError):  # Windows lets nobody write what is locked
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        text = json.dumps(who).encode() if who else b""
        if os.write(handle, text) < len(text):
            os.ftruncate(handle, 0)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "lock")


def _holder(path: Path) -> str:
    try:
        handle = open_plain(path)
        try:
            who = _read(handle, path)
        finally:
            os.close(handle)
        return f" (process {who['process']} on {who['machine']})"
    except (OSError, KeyError, DataError):
        return ""
