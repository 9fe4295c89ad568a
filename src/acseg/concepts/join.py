"""Tokens of several blocks joined, so that their cosine is a weighted mean of the blocks' cosines.

With x_bi the token of position i in block b, scaled to unit length, and weights w_b of sum 1::

    x_i = [sqrt(w_1) x_1i, sqrt(w_2) x_2i, ...]      gives      x_i . x_j = sum_b w_b cos_b(i, j)
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def join_blocks(blocks: Sequence[Tensor], weights: Sequence[float] | None = None) -> Tensor:
    """Join the tokens of several blocks.

    Parameters
    ----------
    blocks
        One (B, N, D) or (N, D) each, of one shape, floating point, of any scale.
    weights
        What each block counts; positive, scaled to sum 1. Default: all the same.

    Returns
    -------
    Tensor
        (..., N, sum of D), rows of unit length, at least float32.

    Raises
    ------
    ValueError
        Where there is no block, shapes differ, or the weights do not fit.
    """
    if not blocks or any(block.shape[:-1] != blocks[0].shape[:-1] for block in blocks):
        raise ValueError(
            "blocks must be at least one tensor, all of the same B and N, found "
            f"{[tuple(block.shape) for block in blocks]}"
        )
    weights = [1.0] * len(blocks) if weights is None else list(weights)
    if len(weights) != len(blocks) or min(weights) <= 0:
        raise ValueError(f"weights must be {len(blocks)} positive numbers, found {weights}")
    total = sum(weights)
    dtype = torch.promote_types(blocks[0].dtype, torch.float32)
    return torch.cat(
        [
            F.normalize(block.to(dtype), dim=-1) * (weight / total) ** 0.5
            for block, weight in zip(blocks, weights, strict=True)
        ],
        dim=-1,
    )
