"""How sure an assignment is: how much nearer the nearest concept is than the second."""

import torch
from torch import Tensor

from acseg.concepts.assignment import assign


def concept_confidence(scores: Tensor) -> Tensor:
    """Average over each concept's pixels how clearly they are its own.

    With cosines s1 to the nearest and s2 to the second nearest concept that owns a pixel, a pixel's
    confidence is ``1 - (1 - s1) / (1 - s2)`` (the simplified silhouette): 0 halfway between two
    concepts, 1 at a concept. Where one concept owns all pixels, s2 is -1.

    Parameters
    ----------
    scores
        (N, k) cosines of one image, as `acseg.concepts.assignment.concept_scores` gives them.

    Returns
    -------
    Tensor
        (k,) float32 in 0..1; 0 for a concept that owns no pixel.

    Raises
    ------
    ValueError
        Where scores are not (N, k).
    """
    if scores.ndim != 2 or 0 in scores.shape:
        raise ValueError(f"expected scores (N, k), found {tuple(scores.shape)}")
    scores = scores.float()
    labels = assign(scores)  # (N,)
    counts = labels.bincount(minlength=scores.shape[1])  # (k,)
    owners = scores.masked_fill(counts == 0, -1.0)  # (N, k)
    padded = torch.cat([owners, torch.full_like(owners[:, :1], -1.0)], dim=1)
    first, second = padded.topk(2, dim=1).values.unbind(1)  # (N,)
    near, far = (1 - first).clamp(min=0), (1 - second).clamp(min=1e-6)
    sure = (1 - near / far).clamp(0, 1)
    total = torch.zeros_like(counts, dtype=torch.float32).index_add_(0, labels, sure)
    return total / counts.clamp(min=1)
