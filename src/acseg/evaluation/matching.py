"""Giving classes to clusters: one to one (Hungarian) or many to one (majority)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from acseg.evaluation.confusion import Confusion

NO_CLASS = -1

Criterion = Literal["pixels", "iou"]


def iou_matrix(confusion: Confusion) -> np.ndarray:
    """Intersection over union of every cluster with every class, (K, C) float64; 0 where empty."""
    union = confusion.predicted[:, None] + confusion.true[None, :] - confusion.counts
    return confusion.counts / np.maximum(union, 1)


def hungarian(confusion: Confusion, *, on: Criterion = "pixels") -> np.ndarray:
    """Match clusters and classes one to one so that the sum of the criterion is largest.

    Parameters
    ----------
    confusion : Confusion
        K clusters against C classes.
    on : {"pixels", "iou"}, default "pixels"
        What is summed: the pixels in common (STEGO and its family) or the intersection over union
        (deep spectral methods, per-image protocols).

    Returns
    -------
    (K,) int64
        The class of each cluster, -1 where it has none: all classes are taken, or the two have no
        pixel in common. The pixels of such a cluster count as wrong in every score.
    """
    if on not in ("pixels", "iou"):
        raise ValueError(f"on is {on!r}; expected 'pixels' or 'iou'")
    gain = confusion.counts.astype(np.float64) if on == "pixels" else iou_matrix(confusion)
    clusters, classes = linear_sum_assignment(gain, maximize=True)
    mapping = np.full(confusion.counts.shape[0], NO_CLASS, dtype=np.int64)
    shared = confusion.counts[clusters, classes] > 0
    mapping[clusters[shared]] = classes[shared]
    return mapping


def majority(confusion: Confusion) -> np.ndarray:
    """Give every cluster the class that most of its labelled pixels have.

    Several clusters may get the same class, so labels are used: a score behind this mapping belongs
    to the over-clustering protocol only. Of two equally frequent classes the lower id is taken.

    Returns
    -------
    (K,) int64
        The class of each cluster, -1 for a cluster without a labelled pixel.
    """
    if confusion.counts.shape[1] == 0:
        return np.full(confusion.counts.shape[0], NO_CLASS, dtype=np.int64)
    mapping = confusion.counts.argmax(axis=1).astype(np.int64)
    mapping[confusion.predicted == 0] = NO_CLASS
    return mapping
