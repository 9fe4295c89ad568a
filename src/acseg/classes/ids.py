"""Class ids: the one place that says which number a class has.

With the foreground split, class 0 is background and cluster c is class c + 1. Without it, cluster
c is class c. A label map holds class ids, and `VOID` where nothing was decided.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acseg.classes.rows import Ints

VOID = 255
BACKGROUND = 0


def cluster_count(classes: int, *, background: bool) -> int:
    """Say how many clusters to fit for so many classes, the background being one of them."""
    if classes < 1 + background:
        raise ValueError(f"expected at least {1 + background} classes, not {classes}")
    return classes - background


def class_count(clusters: int, *, background: bool) -> int:
    """Say how many classes so many clusters are."""
    return clusters + background


def class_ids(clusters: Any, foreground: Any | None = None) -> Ints:
    """Turn clusters of regions into class ids.

    Parameters
    ----------
    clusters : array
        (R,) integers from 0: the cluster of each region; what stands at a background region is
        not read.
    foreground : array of bool, optional
        (R,) of `split_foreground`. Default: no background class.

    Returns
    -------
    ndarray
        (R,) int64.

    Raises
    ------
    ValueError
        If shapes differ.
    """
    found = np.asarray(clusters).astype(np.int64)
    if foreground is None:
        return found
    kept = np.asarray(foreground).astype(bool)
    if kept.shape != found.shape:
        raise ValueError(f"expected shapes to agree, not {found.shape} and {kept.shape}")
    return np.where(kept, found + 1, BACKGROUND)


def drawn_ids(becomes: Mapping[int, int]) -> NDArray[np.uint8]:
    """Tabulate what is drawn for each class id: (256,), itself where it becomes nothing else."""
    table = np.arange(VOID + 1, dtype=np.uint8)
    for found, drawn in becomes.items():
        table[found] = drawn
    return table


def paint(labels: Any, classes: Any) -> NDArray[np.uint8]:
    """Draw the class of each region: labels (H, W) region numbers, classes (n,) -> (H, W) uint8.

    A label outside 0..n-1, such as void, becomes `VOID`. Raises ValueError for a class id that is
    not in 0..255.
    """
    table, grid = np.asarray(classes), np.asarray(labels)
    if table.size and not 0 <= table.min() <= table.max() <= VOID:
        raise ValueError(f"expected class ids in 0..{VOID}, not up to {table.max()}")
    known = (grid >= 0) & (grid < len(table))
    lookup = np.append(table, VOID).astype(np.uint8)
    painted: NDArray[np.uint8] = lookup[np.where(known, grid, len(table))]
    return painted
