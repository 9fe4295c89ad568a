"""One array in one file, filled row by row; what is filled stays filled when the process is killed.

The file, memory-mapped::

    acseg store 1 4096         version, and bytes up to the marks; a new line
    {"dtype": ..., "key": ..., "shape": ...}, spaces
    one byte a row: 1 where the row is filled; zeros up to a multiple of 64 bytes
    the rows
"""

import errno
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acseg.errors import DataError
from acseg.output.atomic import atomic_file

log = logging.getLogger("acseg")

MAGIC = "acseg store"
VERSION = 1
PAGE = 4096  # the header takes whole pages


class Store:
    """A memory-mapped array with a header that says what it was made of.

    A row's mark is set after the row is written, so a killed process leaves every row either whole
    and marked, or unmarked. A file that was made of something else, or is broken, is made anew.

    Parameters
    ----------
    path : Path
        Without suffix; the file is NAME.store.
    shape : tuple of int
        Rows first.
    dtype : numpy dtype
    key : dict
        What the rows depend on (files, settings).

    Attributes
    ----------
    rows : memory-mapped array
    filled : memory-mapped (rows,) uint8

    Raises
    ------
    DataError
        If there is no room for the file.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: Any, key: dict) -> None:
        file = path.with_suffix(".store")
        header = {"shape": list(shape), "dtype": np.dtype(dtype).name, "key": _plain(key)}
        if file.exists():
            found, fault = _read_header(file)
            fault = fault or _difference(found, header)
            if fault:
                log.info("%s: %s; made anew", file, fault)
                file.unlink()
        if not file.exists():
            _create(file, header)
        self._map(file, header, "r+")

    @classmethod
    def open(cls, path: Path, *, key: dict | None = None) -> "Store":
        """Open a store to read it.

        Parameters
        ----------
        path : Path
            NAME.store, or without suffix.
        key : dict, optional
            What the rows have to depend on. Default: anything.

        Raises
        ------
        DataError
            Naming the file and what is wrong with its header, its size or its key.
        """
        file = path.with_suffix(".store")
        header, fault = _read_header(file)
        if not fault and key is not None:
            fault = _difference(header, header | {"key": _plain(key)})
        if fault:
            raise DataError(f"{file}: {fault}; delete it and run the same command again")
        store = cls.__new__(cls)
        store._map(file, header, "r")
        return store

    def _map(self, file: Path, header: dict[str, Any], mode: Any) -> None:
        shape, start = tuple(header["shape"]), len(_head(header))
        self.filled: NDArray[np.uint8] = np.memmap(file, np.uint8, mode, start, shape[:1])
        start = _rows_start(start, shape)
        self.rows: NDArray[Any] = np.memmap(file, np.dtype(header["dtype"]), mode, start, shape)

    def put(self, index: int, row: Any) -> None:
        """Write one row and mark it.

        Raises
        ------
        DataError
            If the row does not fit.
        """
        row = np.asarray(row)
        if row.shape != self.rows.shape[1:]:
            raise DataError(f"row {index}: expected shape {self.rows.shape[1:]}, not {row.shape}")
        self.rows[index] = row
        self.filled[index] = 1

    def missing(self) -> NDArray[np.int64]:
        """Indices of rows that are not filled."""
        return np.flatnonzero(self.filled == 0)

    def present(self) -> NDArray[np.int64]:
        """Indices of rows that are filled."""
        return np.flatnonzero(self.filled)


def _plain(key: dict) -> dict:
    """Turn a key into what JSON gives back for it."""
    return json.loads(json.dumps(key))


def _head(header: dict[str, Any]) -> bytes:
    """Write a header: whole pages."""
    text = json.dumps(header, sort_keys=True)
    pages = -(-(len(text.encode()) + 64) // PAGE)
    head = f"{MAGIC} {VERSION} {pages * PAGE}\n{text}".encode()
    return head.ljust(pages * PAGE)


def _rows_start(start: int, shape: tuple[int, ...]) -> int:
    """Give the place of the first row in the file, after the marks."""
    return start + -(-shape[0] // 64) * 64


def _size(header: dict[str, Any]) -> int:
    """Count the bytes of a whole file."""
    shape, item = tuple(header["shape"]), np.dtype(header["dtype"]).itemsize
    return _rows_start(len(_head(header)), shape) + item * int(np.prod(shape, dtype=np.int64))


def _create(file: Path, header: dict[str, Any]) -> None:
    """Make an empty store under a temporary name, with all the room it will need, and rename it."""
    size = _size(header)
    try:
        with atomic_file(file) as stream:
            stream.write(_head(header))
            stream.truncate(size)
            stream.flush()
            _reserve(stream.fileno(), size)
    except OSError as error:
        raise DataError(
            f"cannot make {file} of {size / 1e9:.2f} GB: {error.strerror}; "
            "free some room, or lower cache_gigabytes"
        ) from error


def _reserve(handle: int, size: int) -> None:
    """Take the room of a file now: a disk that gets full under a memory map ends the process."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise  # other errors: this file system cannot tell


def _read_header(file: Path) -> tuple[dict[str, Any], str]:
    """Read the header of a file; or say what is wrong with the file."""
    try:
        with file.open("rb") as stream:
            words = stream.readline(64).decode("ascii", "replace").split()
            if words[:2] != MAGIC.split() or len(words) != 4 or not words[3].isdigit():
                return {}, f"not a store: it does not start with {MAGIC!r}"
            if words[2] != str(VERSION):
                return {}, f"a store of version {words[2]}, expected {VERSION}"
            stream.seek(0)
            head = stream.read(int(words[3]))
        header = json.loads(head.split(b"\n", 1)[1])
        expected = _size(header) if _head(header) == head else -1
    except FileNotFoundError:
        return {}, "there is no such file"
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return {}, "its header is broken"
    found = file.stat().st_size
    if expected == -1:
        return {}, "its header is broken"
    if found != expected:
        return {}, f"cut short or grown: {found} bytes, expected {expected}"
    return header, ""


def _difference(found: dict[str, Any], header: dict[str, Any]) -> str:
    """Say in what two headers differ."""
    for name in ("shape", "dtype"):
        if found[name] != header[name]:
            return f"made with {name} {found[name]}, expected {header[name]}"
    old, new = found["key"], header["key"]
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            return f"made with {name} = {old.get(name)}, expected {new.get(name)}"
    return ""
