"""Rows of unit length: the common form of descriptors in everything that compares them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from acseg.errors import DataError

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def unit_rows(descriptors: Any) -> Floats:
    """Bring each descriptor to length 1.

    Parameters
    ----------
    descriptors : array or CPU tensor
        (R, D) numbers.

    Returns
    -------
    ndarray
        (R, D) float32; a row without direction (all zeros) stays zero.

    Raises
    ------
    DataError
        If the shape is another or a number is not finite.
    """
    rows = np.asarray(descriptors)
    if rows.ndim != 2 or not np.issubdtype(rows.dtype, np.number):
        raise DataError(f"expected descriptors (R, D), not {rows.dtype} of shape {rows.shape}")
    rows = rows.astype(np.float32)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    if not np.isfinite(largest).all():
        bad = int(np.flatnonzero(~np.isfinite(largest[:, 0]))[0])
        raise DataError(f"descriptor {bad} holds a number that is not finite")
    rows /= np.where(
        largest > 0, largest, np.float32(1)
    )  # first, so that no square overflows or vanishes
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(length > 0, length, 1)).astype(np.float32)


def check_labels(labels: Any, rows: int) -> Ints:
    """Bring labels to (rows,) int64, or raise DataError."""
    found = np.asarray(labels)
    if found.shape != (rows,) or not np.issubdtype(found.dtype, np.integer):
        raise DataError(
            f"expected {rows} whole numbers as labels, one for each descriptor, "
            f"not {found.dtype} of shape {found.shape}"
        )
    return found.astype(np.int64)
