"""One process at a time writes a folder; its lock goes with it, however it ends."""

import errno
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acseg.errors import DataError

log = logging.getLogger("acseg")

NONE_HERE = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
"""What file systems without locks answer."""


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock of a folder while the block runs.

    The lock is the operating system's (flock, or a byte's lock on Windows): a process that is
    killed leaves none behind. The file stays, empty after a good end, and names its process
    before that. Where the file system knows no locks, that is said and the block runs without.

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
        If another process, or another call in this one, holds it.
    """
    handle = _acquire(path)
    try:
        killed = os.fstat(handle).st_size > 0
        os.ftruncate(handle, 0)
        who = {"process": os.getpid(), "machine": socket.gethostname()}
        os.write(handle, json.dumps(who).encode())
        try:
            yield killed
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)  # and the lock is gone


def _acquire(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    guarded = path.parent.parent
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(handle)
        except BlockingIOError:
            os.close(handle)
            raise DataError(
                f"{guarded} is being written by another acseg{_holder(path)}; "
                "wait for its end, or use another folder"
            ) from None
        except OSError as error:
            if error.errno not in NONE_HERE:
                os.close(handle)
                raise
            log.warning("%s: no locks here; see to it that nothing else writes there", guarded)
        if _is(handle, path):
            return handle
        os.close(handle)  # its holder ended and took the file away in between


def _lock(handle: int) -> None:
    """Lock an open file, or raise BlockingIOError."""
    try:
        import fcntl
    except ImportError:  # Windows; the locked byte lies behind what is read
        import msvcrt

        os.lseek(handle, 2**30, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError as error:
            raise BlockingIOError from error
        os.lseek(handle, 0, os.SEEK_SET)
        return
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is(handle: int, path: Path) -> bool:
    """Whether this open file is the one that stands under the name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        who = json.loads(path.read_text(encoding="utf-8"))
        return f" (process {who['process']} on {who['machine']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
