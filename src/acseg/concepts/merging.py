"""Merging concepts that are one: an addition to the paper, off unless a threshold below 1 is given.

The generator has k prototypes and may describe one thing by several concepts that are nearly the
same. Two concepts are merged while the mean affinity between their pixels is above a threshold t::

    mean_{i in c, j in d} A_ij > t

which is greedy maximisation of the constant Potts model ``sum_c (e_cc - t n_c^2)`` (Traag, Van
Dooren and Nesterov 2011): modularity with a constant in the place of ``d_i d_j / 2m``, so that the
size of the picture's other concepts does not decide about two of them.
"""

import torch
from torch import Tensor
from torch.nn import functional

ROWS = 512  # rows of the affinity held at once


def concept_affinity(pixels: Tensor, labels: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Sum the affinity ``A_ij = max(0, cos(x_i, x_j))`` between the pixels of each two concepts.

    Parameters
    ----------
    pixels
        (B, N, D), floating point.
    labels
        (B, N), int64, 0..k-1.
    k
        Number of concepts.

    Returns
    -------
    sums : Tensor
        (B, k, k) float32.
    counts : Tensor
        (B, k) float32: pixels of each concept.

    Raises
    ------
    ValueError
        Where shapes differ.
    """
    if pixels.ndim != 3 or labels.shape != pixels.shape[:2]:
        raise ValueError(
            f"expected pixels (B, N, D) and labels (B, N), found {tuple(pixels.shape)} "
            f"and {tuple(labels.shape)}"
        )
    unit = functional.normalize(pixels.float(), dim=2)
    member = functional.one_hot(labels, k).float()  # (B, N, k)
    sums = unit.new_zeros(len(unit), k, k)
    for top in range(0, unit.shape[1], ROWS):
        rows = slice(top, top + ROWS)
        affinity = (unit[:, rows] @ unit.transpose(1, 2)).relu_()  # (B, rows, N)
        sums += member[:, rows].transpose(1, 2) @ (affinity @ member)
    return sums, member.sum(1)


def merge_concepts(sums: Tensor, counts: Tensor, threshold: float) -> Tensor:
    """Merge the two most alike concepts of each image, again and again, down to a threshold.

    Parameters
    ----------
    sums, counts
        (B, k, k) and (B, k) of `concept_affinity`.
    threshold
        Mean affinity above which two concepts are one: 0.3 to 0.9; 1 or more merges nothing.

    Returns
    -------
    Tensor
        (B, k), int64: for each concept the concept it is now part of, itself where it stays.
    """
    batch, k = counts.shape
    sums, counts = sums.clone(), counts.clone()
    group = torch.arange(k, device=counts.device).expand(batch, k).clone()
    image = torch.arange(batch, device=counts.device)
    for _ in range(k - 1):
        pairs = counts[:, :, None] * counts[:, None, :]
        mean = torch.where(pairs > 0, sums / pairs.clamp(min=1), -torch.ones_like(sums))
        mean = mean.triu(1) - torch.ones_like(mean).tril()  # each pair once, none with itself
        best, place = mean.flatten(1).max(1)  # (B,)
        keep, gone = place // k, place % k
        merging = best > threshold
        if not merging.any():
            break
        b, c, d = image[merging], keep[merging], gone[merging]
        group[b] = torch.where(group[b] == d[:, None], c[:, None], group[b])
        sums[b, c] += sums[b, d]
        sums[b, :, c] += sums[b, :, d]
        counts[b, c] += counts[b, d]
        counts[b, d] = 0
    return group


def merge_scores(scores: Tensor, group: Tensor) -> Tensor:
    """Give each group the best score of its concepts: scores (B, N, k), group (B, k).

    The place of a concept that is now part of another holds -1, the least cosine, minus 1.
    """
    out = torch.full_like(scores, -2.0)
    return out.scatter_reduce(2, group[:, None, :].expand_as(scores), scores, "amax")
