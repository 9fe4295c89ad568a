"""One array on disk, filled row by row; what is filled stays filled when the process is killed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acseg.errors import DataError
from acseg.images.write import write_atomic


class Store:
    """A memory-mapped array with a header that says what it was made of.

    Three files: ``NAME.json`` (shape, type and key), ``NAME.npy`` (the rows), ``NAME.filled.npy``
    (one byte a row). A row's byte is set after the row is written, so a killed process leaves
    every row either whole and marked, or unmarked.

    Parameters
    ----------
    path : Path
        Without suffix.
    shape : tuple of int
        Rows first.
    dtype : numpy dtype
    key : dict
        What the rows depend on (files, settings). A store with another key is made anew.

    Attributes
    ----------
    rows : memory-mapped array
    filled : memory-mapped (rows,) uint8
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: Any, key: dict) -> None:
        header = json.dumps(
            {"shape": list(shape), "dtype": np.dtype(dtype).name, "key": key}, sort_keys=True
        )
        names = (path.with_suffix(".json"), path.with_suffix(".npy"))
        head, rows = names
        filled = path.with_suffix(".filled.npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (_says(head, header) and _opens(rows, shape, dtype) and _opens(filled, shape[:1])):
            head.unlink(missing_ok=True)
            np.lib.format.open_memmap(rows, mode="w+", dtype=dtype, shape=shape).flush()
            np.lib.format.open_memmap(filled, mode="w+", dtype=np.uint8, shape=shape[:1]).flush()
            write_atomic(head, header)
        self.rows: NDArray[Any] = np.lib.format.open_memmap(rows, mode="r+")
        self.filled: NDArray[np.uint8] = np.lib.format.open_memmap(filled, mode="r+")

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


def _says(head: Path, header: str) -> bool:
    try:
        return head.read_text(encoding="utf-8") == header
    except (OSError, UnicodeDecodeError):
        return False


def _opens(path: Path, shape: tuple[int, ...], dtype: Any = np.uint8) -> bool:
    """Say whether a file is a whole array of this shape and type."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return found.shape == shape and found.dtype == np.dtype(dtype)
