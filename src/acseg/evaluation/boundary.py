"""Boundary F of one image: whether the edges of segments lie on edges of classes."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import distance_transform_edt

from acseg.evaluation.confusion import VOID

TOLERANCE = 0.0075  # share of the diagonal


def boundary_f(
    labels: np.ndarray, mask: np.ndarray, *, tolerance: float = TOLERANCE, void: int = VOID
) -> float:
    """Score the edges of a label map against those of the ground truth.

    Precision is the share of predicted edge pixels with a true edge within the tolerance, recall
    the share of true edge pixels with a predicted edge within it; the score is their harmonic mean.
    Unlike the boundary benchmarks of BSDS nothing is matched one to one: a distance is enough.

    Edges between a class and void are no true edges, and predicted edges within the tolerance of
    void are not judged. Where the masks draw void bands around objects (VOC), few edges are left.

    Parameters
    ----------
    labels, mask : (H, W) integer
        Label map and ground truth of one size.
    tolerance : float, default 0.0075
        Share of the image diagonal, at least one pixel; 0.0075 to 0.02 are in use.
    void : int, default 255
        Value of the pixels without a class.

    Returns
    -------
    float
        0 .. 1; 1 where neither map has an edge, NaN where nothing is labelled.
    """
    labels, mask = np.asarray(labels), np.asarray(mask)
    labelled = mask != void
    if not labelled.any():
        return float("nan")
    reach = max(1.0, tolerance * math.hypot(*mask.shape))
    true = _edges(mask, labelled)
    predicted = _edges(labels, np.ones_like(labelled))
    judged = predicted & (_distance(~labelled) > reach)
    if not true.any() and not judged.any():
        return 1.0
    precision = _share(_distance(true)[judged] <= reach)
    recall = _share(_distance(predicted)[true] <= reach)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _edges(labels: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Pixels that differ from a neighbour beside or below, both valid; both pixels are marked."""
    edges = np.zeros(labels.shape, dtype=bool)
    down = (labels[1:] != labels[:-1]) & valid[1:] & valid[:-1]
    right = (labels[:, 1:] != labels[:, :-1]) & valid[:, 1:] & valid[:, :-1]
    edges[1:] |= down
    edges[:-1] |= down
    edges[:, 1:] |= right
    edges[:, :-1] |= right
    return edges


def _distance(marked: np.ndarray) -> np.ndarray:
    """Distance of every pixel to the nearest marked one, in pixels; infinite if there is none."""
    if not marked.any():
        return np.full(marked.shape, np.inf)
    return distance_transform_edt(~marked)


def _share(hits: np.ndarray) -> float:
    """Share of true values; 0 of nothing."""
    return float(hits.mean()) if hits.size else 0.0
