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

from acseg.concepts.assignment import assign

ROWS = {"cpu": 256, "cuda": 2048}  # rows of the affinity held at once


def merge_alike(
    pixels: Tensor,
    scores: Tensor,
    threshold: float | Tensor,
    *,
    products: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """Make one of the concepts of each image that are alike.

    Parameters
    ----------
    pixels, scores
        (B, N, D), and (B, N, k) of `acseg.concepts.assignment.concept_scores`.
    threshold
        As in `merge_concepts`.
    products
        As in `concept_affinity`.

    Returns
    -------
    scores : Tensor
        (B, N, k): `merge_scores`; the same tensor where nothing can merge.
    group : Tensor
        (B, k), int64: the concept that each is now part of.
    """
    k = scores.shape[2]
    if not bool((torch.as_tensor(threshold) < 1).any()):
        return scores, torch.arange(k, device=scores.device).expand(len(scores), k)
    sums, counts = concept_affinity(pixels, assign(scores), k, products=products)
    group = merge_concepts(sums, counts, threshold)
    return merge_scores(scores, group), group


def concept_affinity(
    pixels: Tensor, labels: Tensor, k: int, *, products: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Sum the affinity ``A_ij = max(0, cos(x_i, x_j))`` between the pixels of each two concepts.

    Parameters
    ----------
    pixels
        (B, N, D), floating point.
    labels
        (B, N), int64, 0..k-1.
    k
        Number of concepts.
    products
        Number format of the cosines: float32 (default), or bfloat16, which moves a mean affinity
        by less than 0.001 and takes a third of the time where the processor has it.

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
    unit = functional.normalize(pixels.float(), dim=2).to(products)
    member = functional.one_hot(labels, k).to(products)  # (B, N, k)
    sums = torch.zeros(len(unit), k, k, device=unit.device)
    each = 1 if unit.device.type == "cpu" else max(1, len(unit))  # one image fits the cache
    rows = ROWS.get(unit.device.type, ROWS["cuda"])
    for first in range(0, len(unit), each):
        images = slice(first, first + each)
        for top in range(0, unit.shape[1], rows):
            sums[images] += band_sums(unit[images], member[images], top, rows)
    return sums + sums.mT, member.sum(1, dtype=torch.float32)


def band_sums(unit: Tensor, member: Tensor, top: int, rows: int) -> Tensor:
    """Sum one band of the affinity, its square on the diagonal by half and nothing left of it.

    A is symmetric, so the sum of all bands and its transpose make up the whole.

    Parameters
    ----------
    unit, member
        (B, N, D) of length 1, and (B, N, k) of 0 and 1.
    top, rows
        First row of the band, and how many; the last band may be shorter.

    Returns
    -------
    Tensor
        (B, k, k) float32.
    """
    affinity = (unit[:, top : top + rows] @ unit[:, top:].mT).relu_()  # (B, rows, N - top)
    affinity[:, :, :rows] *= 0.5
    return member[:, top : top + rows].mT.float() @ (affinity @ member[:, top:]).float()


def whole_affinity(pixels: Tensor, labels: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Give what `concept_affinity` does in three matrix products without a loop, for export.

    Holds the whole (B, N, N).
    """
    unit = functional.normalize(pixels, dim=2)
    member = (labels[:, :, None] == torch.arange(k, device=labels.device)).float()  # (B, N, k)
    sums = member.mT @ ((unit @ unit.mT).relu() @ member)
    return sums, member.sum(1)


def merge_concepts(sums: Tensor, counts: Tensor, threshold: float | Tensor) -> Tensor:
    """Merge the two most alike concepts of each image, again and again, down to a threshold.

    All images at once, k - 1 times: where nothing is left to merge, a step changes nothing. No
    step depends on a value, so it can be exported.

    Parameters
    ----------
    sums, counts
        (B, k, k) and (B, k) of `concept_affinity`.
    threshold
        Mean affinity above which two concepts are one: 0.3 to 0.9; 1 or more merges nothing.
        One for all images, or (B,) of `acseg.concepts.ground.merge_thresholds`.

    Returns
    -------
    Tensor
        (B, k), int64: for each concept the concept it is now part of, itself where it stays.
    """
    k = counts.shape[1]
    place = torch.arange(k, device=counts.device)  # (k,)
    once = (place[:, None] < place).flatten()  # (k * k,) each pair once, none with itself
    group = place.expand_as(counts)  # (B, k)
    limit = threshold[:, None] if isinstance(threshold, Tensor) else threshold  # (B, 1)
    for _ in range(k - 1):
        pairs = counts[:, :, None] * counts[:, None, :]
        mean = (sums / pairs.clamp(min=1)).flatten(1)  # (B, k * k)
        mean = mean.masked_fill(~(once & (pairs.flatten(1) > 0)), -1.0)
        best = mean.argmax(dim=1, keepdim=True)  # (B, 1)
        merging = mean.gather(1, best) > limit
        keep, gone = best // k, best % k  # (B, 1)
        into = (place == keep) & merging  # (B, k)
        out = (place == gone) & merging
        moved = out[:, None, :].to(sums) * (into[:, :, None].to(sums) - out[:, :, None].to(sums))
        move = torch.eye(k, device=sums.device) + moved  # (B, k, k) adds row `gone` to row `keep`
        sums = move @ sums @ move.mT
        counts = (move @ counts[:, :, None])[:, :, 0]
        group = torch.where((group == gone) & merging, keep, group)
    return group


def merge_scores(scores: Tensor, group: Tensor) -> Tensor:
    """Give each group the best score of its concepts: scores (B, N, k), group (B, k).

    The place of a concept that is now part of another holds -1, the least cosine, minus 1.
    """
    out = torch.full_like(scores, -2.0)
    return out.scatter_reduce(2, group[:, None, :].expand_as(scores), scores, "amax")
