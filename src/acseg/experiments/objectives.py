"""Other objectives that a generator can be trained for, to show what the modularity is worth.

All take pixels (B, N, D) and concepts (B, k, D) and give a scalar that is differentiable in the
concepts; they hold the N x N matrices as a whole, so they are for experiments, not for use.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from acseg.concepts.assignment import concept_scores
from acseg.training.loop import Objective


def sharpened_modularity(pixels: Tensor, concepts: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Take the modularity with the sharpened delta of CAUSE.

    ``L = -(1/2m) sum_ij W_ij max_c tanh(S+_ic S+_jc / T)``

    Parameters
    ----------
    pixels : (B, N, D)
    concepts : (B, k, D)
    temperature : float
        T; 0.05 to 0.5. Less is sharper.
    """
    unit = F.normalize(pixels, dim=2)
    a = (unit @ unit.mT).clamp(min=0)  # (B, N, N)
    degrees = a.sum(2)
    total = degrees.sum(1)[:, None, None]
    w = (a - degrees[:, :, None] * degrees[:, None, :] / total) / total
    scores = concept_scores(pixels, concepts).clamp(min=0)  # (B, N, k)
    delta = scores[:, :, None, 0] * scores[:, None, :, 0]
    for c in range(1, scores.shape[2]):
        delta = torch.maximum(delta, scores[:, :, None, c] * scores[:, None, :, c])
    return -(w * (delta / temperature).tanh()).sum((1, 2)).mean()


def kmeans_objective(pixels: Tensor, concepts: Tensor) -> Tensor:
    """Take the loss of spherical k-means: ``mean_i (1 - max_c S_ic)``.

    More concepts always lower it, so it has no reason to leave one out.
    """
    return (1 - concept_scores(pixels, concepts).amax(2)).mean()


def mincut_objective(pixels: Tensor, concepts: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Take the relaxed normalised cut with its balance term (Bianchi et al., ICML 2020).

    With ``P = softmax(S / T)``: ``L = -tr(P'AP) / tr(P'DP) + ||P'P / ||P'P|| - I / sqrt k||``.

    The second term asks for k clusters of one size.
    """
    unit = F.normalize(pixels, dim=2)
    a = (unit @ unit.mT).clamp(min=0)  # (B, N, N)
    shares = (concept_scores(pixels, concepts) / temperature).softmax(2)  # (B, N, k)
    kept = (shares * (a @ shares)).sum((1, 2))
    weight = (a.sum(2, keepdim=True) * shares.square()).sum((1, 2))
    overlap = shares.mT @ shares  # (B, k, k)
    size = overlap.flatten(1).norm(dim=1)[:, None, None]
    k = concepts.shape[1]
    even = torch.eye(k, dtype=overlap.dtype, device=overlap.device) / k**0.5
    balance = (overlap / size - even).flatten(1).norm(dim=1)
    return (balance - kept / weight).mean()


OBJECTIVES: dict[str, Objective | None] = {
    "modularity": None,  # the one that `fit` trains for
    "sharpened": sharpened_modularity,
    "k-means": kmeans_objective,
    "min-cut": mincut_objective,
}
