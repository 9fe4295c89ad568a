"""Reading files that somebody else may have written: bounded, never waiting, never executing.

A folder that came from elsewhere may hold symbolic links to files that have nothing to do with it.
What acseg opens inside an output folder it opens by `inside` and `open_plain`, which refuse them.
"""

import errno
import json
import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO, NoReturn

from acseg.errors import DataError
from acseg.names import safe_text

MOST_JSON = 2**24  # bytes of a config.json; a real one has some thousand
MOST_TENSORS = 2**33  # bytes of the weights of a model; a real file has some million

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_PLAIN = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | _NO_FOLLOW
_JUNCTION = getattr(os.path, "isjunction", lambda path: False)  # Windows, from Python 3.12 on


def check_file(path: Path, most: int) -> None:
    """Make sure that a path is a regular file of at most so many bytes.

    Raises
    ------
    OSError
        If it is not there, or is a pipe or a device, from which a reader could wait for ever.
    ValueError
        If it is larger.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(None, "not a regular file")
    if found.st_size > most:
        raise ValueError(f"{found.st_size:,} bytes, more than the {most:,} that such a file has")


def read_text(path: Path, *, most: int = MOST_JSON) -> str:
    """Read a regular file of UTF-8 text of at most so many bytes; errors as of `check_file`."""
    check_file(path, most)
    return path.read_text(encoding="utf-8")


def parse_json(text: str) -> Any:
    """Read JSON; ValueError for anything that is none, NaN and infinity, and nesting too deep."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def is_inside(name: str) -> bool:
    """Say whether a relative name stays below the folder that it is joined to, on any system."""
    windows = PureWindowsPath(name)  # of the two kinds the one that knows both separators
    parts = windows.parts
    return bool(parts) and not (windows.drive or windows.root or ".." in parts or "\0" in name)


def inside(root: Path, name: str) -> Path:
    """Give the path of a file or folder below `root`, if no part of it is a symbolic link.

    Parameters
    ----------
    root : Path
        May be a link itself; the user named it.
    name : str
        With ``/`` between its parts. It need not exist.

    Raises
    ------
    DataError
        If the name leads out of `root`, or it or a folder above it is a link.
    """
    if not is_inside(name):
        raise DataError(f"{safe_text(name)!r} is no path inside {safe_text(root)}")
    path = root
    for part in PurePosixPath(name).parts:
        path = path / part
        try:
            link = path.is_symlink() or _JUNCTION(path)
        except OSError as error:  # a name that is too long
            raise DataError(f"{safe_text(name)!r}: {error.strerror}") from None
        if link:
            raise DataError(
                f"{safe_text(path)} is a symbolic link; nothing is read or written through links "
                "inside an output folder"
            )
    return path


def open_plain(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a regular file, no link, pipe or device, and give its descriptor; it stays as it is.

    Parameters
    ----------
    path : Path
    flags : int
        Of `os.open`.

    Raises
    ------
    OSError
        Naming the file, if it cannot be opened or is something else.
    """
    try:
        handle = os.open(path, flags | _PLAIN, 0o644)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(error.errno, "is a symbolic link", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return handle


def read_plain(path: Path) -> BinaryIO:
    """Open a regular file for reading; see `open_plain`."""
    return os.fdopen(open_plain(path), "rb")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")
