"""Foreground: the regions of an image that the backbone attends to.

The last layer's attention, added up inside a region, is its foreground score; the scores of one
image fall into two groups by 2-means, and the low group is background (ACSeg, CVPR 2023, concept
classification).
"""

import torch
from torch import Tensor

from acseg.classes.descriptors import region_sums


def foreground_scores(attention: Tensor, labels: Tensor, n: int, *, reduce: str = "sum") -> Tensor:
    """Score each region by the attention inside it.

    For a batch, give the attention of all images one after the other and `Regions.ids`, flattened.

    Parameters
    ----------
    attention : Tensor
        (N,) attention of the CLS token on the pixels, mean of the heads; at least 0.
    labels : Tensor
        (N,) integers in 0..n-1: the region of each pixel.
    n : int
        Number of regions.
    reduce : {"sum", "mean"}
        The sum is the paper's, and favours large regions. The mean does not.

    Returns
    -------
    Tensor
        (n,) float32; 0 for a region without pixels.

    Raises
    ------
    ValueError
        If `reduce` is unknown, shapes differ, or a label is outside 0..n-1.
    """
    if reduce not in ("sum", "mean"):
        raise ValueError(f"expected reduce 'sum' or 'mean', not {reduce!r}")
    if attention.ndim != 1:
        raise ValueError(f"expected attention (N,), not {tuple(attention.shape)}")
    both = torch.stack([attention.float(), torch.ones_like(attention, dtype=torch.float32)], dim=1)
    total, count = region_sums(both, labels, n).unbind(dim=1)
    return total if reduce == "sum" else total / count.clamp(min=1)


def split_foreground(scores: Tensor, image: Tensor | None = None) -> Tensor:
    """Split the regions of each image into background (low) and foreground (high).

    Exact 2-means in one dimension: of all ways to cut the sorted scores in two, the one with the
    least sum of squares inside the groups, the lowest cut where several are equal.

    Parameters
    ----------
    scores : Tensor
        (R,) of `foreground_scores`.
    image : Tensor, optional
        (R,) long: the image that each region lies in, so that a batch is split in one call; each
        image on its own. Default: all in one.

    Returns
    -------
    Tensor
        (R,) bool, true for foreground. An image with one region, or with equal scores only, has
        nothing to set a background apart: all its regions are foreground.

    Raises
    ------
    ValueError
        If shapes differ or a score is not finite.
    """
    if image is None:
        image = torch.zeros_like(scores, dtype=torch.long)
    if scores.ndim != 1 or image.shape != scores.shape:
        raise ValueError(
            f"expected scores (R,) and image (R,), not {tuple(scores.shape)} "
            f"and {tuple(image.shape)}"
        )
    if not bool(torch.isfinite(scores).all()):
        raise ValueError("expected finite scores")
    if len(scores) == 0:
        return torch.zeros(0, dtype=torch.bool, device=scores.device)
    _, group = image.unique(return_inverse=True)  # (R,) 0..G-1
    order = scores.argsort(stable=True)
    order = order[group[order].argsort(stable=True)]  # by group, then by score
    counts = torch.bincount(group)  # (G,)
    starts = counts.cumsum(0) - counts
    place = torch.arange(len(scores), device=scores.device) - starts[group[order]]
    width = int(counts.max())
    table = torch.zeros(len(counts), width, dtype=torch.float64, device=scores.device)
    table[group[order], place] = scores[order].double()  # (G, width) ascending, then padding
    filled = torch.arange(width, device=scores.device) < counts[:, None]
    cut = _best_cut(table, filled, counts)  # (G,) how many are background
    foreground = torch.empty_like(scores, dtype=torch.bool)
    foreground[order] = place >= cut[group[order]]
    return foreground


def _best_cut(table: Tensor, filled: Tensor, counts: Tensor) -> Tensor:
    """Cut each sorted row where the sum of squares between the two groups is largest.

    With the row's mean taken away, the groups sum to s and -s, and what lies between them is
    s^2 (1/low + 1/high). Within plus between is constant, so the least within is the most between.
    """
    mean = table.sum(dim=1, keepdim=True) / counts[:, None]
    below = ((table - mean) * filled).cumsum(dim=1)[:, :-1]  # (G, width - 1)
    low = torch.arange(1, table.shape[1], device=table.device)
    high = (counts[:, None] - low).clamp(min=1)
    between = below.square() * (1 / low + 1 / high)
    allowed = filled[:, 1:] & (table[:, 1:] > table[:, :-1])  # never between equal scores
    between = torch.where(allowed, between, torch.full_like(between, -1.0))
    if between.shape[1] == 0:
        return torch.zeros_like(counts)
    best = between.argmax(dim=1)
    return torch.where(allowed.any(dim=1), best + 1, torch.zeros_like(best))
