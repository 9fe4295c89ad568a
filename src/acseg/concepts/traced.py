"""The division by a generator's concepts in operators that ONNX has, for whole batches.

The same average linkage as `tree.link`, cut at the picture's threshold. The number of concepts is
fixed, so its k - 1 merges are written out one after the other, each a product with a matrix that
adds row and column b to a, or the unit matrix where the best pair lies below the threshold.
Crumbs are not joined and there is no tree to cut elsewhere: `division.divide_by_concepts`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from acseg.concepts.threshold import picture_threshold


def label_by_concepts(tokens: Tensor, concepts: Tensor, threshold: Tensor | None = None) -> Tensor:
    """Give the part of every token.

    Parameters
    ----------
    tokens
        (B, N, D), floating point, of any scale.
    concepts
        (B, k, D), what a generator made of them.
    threshold
        (B,), height of the cut. Default: each picture's own.

    Returns
    -------
    Tensor
        (B, N) int64 in 0..k - 1: the lowest concept of each part, so numbers may be missing.
    """
    x = F.normalize(tokens, dim=-1)
    threshold = picture_threshold(tokens) if threshold is None else threshold
    nearest = (x @ F.normalize(concepts, dim=-1).mT).argmax(-1)  # (B, N)
    member = F.one_hot(nearest, concepts.shape[1]).to(x.dtype)  # (B, N, k)
    sums, sizes = member.mT @ x, member.sum(1)  # (B, k, D), (B, k)
    return merged(sums @ sums.mT, sizes, threshold).gather(1, nearest)


def merged(total: Tensor, sizes: Tensor, threshold: Tensor) -> Tensor:
    """Merge concepts while the mean cosine of the best pair is at least the threshold.

    total (B, k, k) sums of cosines, sizes (B, k), threshold (B,); gives (B, k), the lowest concept
    of each one's part.
    """
    k = sizes.shape[1]
    unit = torch.eye(k, dtype=total.dtype, device=total.device)
    part = unit.expand_as(total)  # (B, k, k), row: part, column: concept
    for _ in range(k - 1):
        pairs = sizes[:, :, None] * sizes[:, None]  # (B, k, k), 0 where one is empty
        usable = (pairs > 0) & (unit == 0)
        mean = torch.where(usable, total / pairs.clamp_min(1), torch.full_like(total, -2.0))
        best, at = mean.flatten(1).max(dim=1)  # (B,); a < b: the first of equals
        a, b = F.one_hot(at // k, k).to(total), F.one_hot(at % k, k).to(total)  # (B, k)
        add = (best >= threshold).to(total)[:, None, None] * (a - b)[:, :, None] * b[:, None]
        step = unit + add  # b moves to a
        total, sizes = step @ total @ step.mT, (step @ sizes[:, :, None])[:, :, 0]
        part = step @ part
    return part.argmax(1)
