"""Counting which cluster meets which class: the one matrix that every protocol reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from acseg.errors import DataError

VOID = 255


@dataclass(frozen=True)
class Confusion:
    """Labelled pixels by cluster and class.

    Attributes
    ----------
    counts : (K, C) int64
        Pixels that are in cluster ``i`` and of class ``j``.
    missed : (C,) int64
        Labelled pixels of class ``j`` that are in no cluster (void in the prediction). They are in
        no row of `counts`, and every score counts them as wrong.
    """

    counts: np.ndarray
    missed: np.ndarray

    @property
    def true(self) -> np.ndarray:
        """Labelled pixels of each class, (C,) int64."""
        return self.counts.sum(axis=0) + self.missed

    @property
    def predicted(self) -> np.ndarray:
        """Labelled pixels of each cluster, (K,) int64."""
        return self.counts.sum(axis=1)

    @property
    def total(self) -> int:
        """All labelled pixels."""
        return int(self.true.sum())

    def __add__(self, other: Confusion) -> Confusion:
        """Add the pixels of another picture; the larger number of clusters and classes is kept."""
        clusters = max(self.counts.shape[0], other.counts.shape[0])
        classes = max(self.counts.shape[1], other.counts.shape[1])
        counts = np.zeros((clusters, classes), dtype=np.int64)
        missed = np.zeros(classes, dtype=np.int64)
        for part in (self, other):
            counts[: part.counts.shape[0], : part.counts.shape[1]] += part.counts
            missed[: part.missed.shape[0]] += part.missed
        return Confusion(counts, missed)


def confusion(
    labels: np.ndarray,
    mask: np.ndarray,
    n_pred: int | None = None,
    n_true: int | None = None,
    *,
    void: int = VOID,
) -> Confusion:
    """Count the pixels of each pair of cluster and class.

    Pixels that are void in `mask` are left out altogether. Pixels that have a class but are void in
    `labels` go to ``missed``.

    Parameters
    ----------
    labels : (...) integer
        Cluster of every pixel, 0 .. n_pred - 1, or `void`.
    mask : (...) integer
        Class of every pixel, of the same shape, 0 .. n_true - 1, or `void`.
    n_pred, n_true : int, optional
        Numbers of clusters and classes. By default the largest value that is there, plus one.
    void : int, default 255
        The value that means "no cluster" and "no class".

    Raises
    ------
    DataError
        If the shapes differ, a value is not an integer, negative, or beyond the given number.
    """
    labels, mask = np.asarray(labels), np.asarray(mask)
    if labels.shape != mask.shape:
        raise DataError(f"labels are {_size(labels)}, the mask is {_size(mask)}; expected one size")
    labels, n_pred = _checked(labels, n_pred, void, "labels", "clusters")
    mask, n_true = _checked(mask, n_true, void, "the mask", "classes")

    labelled = mask != void
    labels, mask = labels[labelled], mask[labelled]
    rows = np.where(labels == void, n_pred, labels)  # void predictions go to one row below the rest
    counts = np.bincount(rows * n_true + mask, minlength=(n_pred + 1) * n_true)
    counts = counts.reshape(n_pred + 1, n_true).astype(np.int64)
    return Confusion(counts[:-1], counts[-1])


def _checked(
    values: np.ndarray, number: int | None, void: int, what: str, unit: str
) -> tuple[np.ndarray, int]:
    """The values as int64, and how many there may be."""
    if values.dtype != bool and not np.issubdtype(values.dtype, np.integer):
        raise DataError(f"{what}: values are {values.dtype}; expected integers")
    values = values.astype(np.int64)
    used = values[values != void]
    low, high = (int(used.min()), int(used.max())) if used.size else (0, -1)
    if low < 0:
        raise DataError(f"{what}: holds {low}; expected 0 upward, and {void} for void")
    if number is None:
        return values, high + 1
    if high >= number:
        raise DataError(
            f"{what}: holds {high}; expected 0 .. {number - 1} ({number} {unit}), {void} for void"
        )
    return values, number


def _size(array: np.ndarray) -> str:
    """Width x height, as people say it."""
    return " x ".join(str(side) for side in reversed(array.shape))
