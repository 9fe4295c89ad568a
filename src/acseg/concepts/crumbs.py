"""Crumbs, parts of a few tokens, join their neighbour.

The smallest part goes first, to the part that touches it on the grid and is most similar by mean
cosine; where no other part touches it (there is only one, or no grid), to the most similar of all.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from acseg.concepts.exact import compact


def join_crumbs(
    tokens: Tensor,
    labels: Tensor,
    *,
    least: int,
    grid: tuple[int, int] | None = None,
    within: Tensor | None = None,
) -> Tensor:
    """Merge every part of fewer than `least` tokens into a neighbour.

    Parameters
    ----------
    tokens
        (N, D), floating point, of any scale.
    labels
        (N,), part of each token, from 0.
    least
        Tokens that a part must have to stay.
    grid
        Rows and columns of the tokens; N of them. Default: any part may be the neighbour.
    within
        (N,), a coarser division that parts are nested in: a crumb joins only what is in the same
        coarse part, and stays where it is all of it.

    Returns
    -------
    Tensor
        (N,) int64, parts numbered 0, 1, ... in the order of their first token.

    Raises
    ------
    ValueError
        Where labels or grid do not fit the tokens.
    """
    if labels.shape != tokens.shape[:1]:
        raise ValueError(
            f"labels must be ({len(tokens)},) like the tokens, found {tuple(labels.shape)}"
        )
    if grid is not None and grid[0] * grid[1] != len(tokens):
        raise ValueError(f"grid must have {len(tokens)} cells like the tokens, found {grid}")
    labels = compact(labels)
    x = F.normalize(tokens.to(torch.promote_types(tokens.dtype, torch.float32)), dim=-1)
    member = F.one_hot(labels).to(x.dtype)  # (N, k)
    sums, sizes = member.mT @ x, member.sum(0)  # (k, D), (k,)
    touching = contacts(labels, grid)  # (k, k)
    coarse = torch.zeros_like(sizes, dtype=torch.int64)
    if within is not None:
        coarse[labels] = within.to(torch.int64)  # (k,)
    part = torch.arange(len(sizes), device=labels.device)  # where each part went
    waiting = sizes < least
    while bool(waiting.any()):
        crumb = int(sizes.where(waiting, torch.inf).argmin())
        waiting[crumb] = False
        others = (sizes > 0) & (coarse == coarse[crumb])
        others[crumb] = False
        if not bool(others.any()):
            continue
        near = others & touching[crumb]
        score = (sums @ sums[crumb]) / sizes.clamp_min(1)  # (k,), mean cosine times a constant
        target = int(score.where(near if bool(near.any()) else others, -torch.inf).argmax())
        sums[target] += sums[crumb]
        sizes[target] += sizes[crumb]
        sizes[crumb] = 0
        waiting[target] = bool(sizes[target] < least)
        touching[target] |= touching[crumb]
        touching[:, target] |= touching[:, crumb]
        part[part == crumb] = target
    return compact(part[labels])


def contacts(labels: Tensor, grid: tuple[int, int] | None) -> Tensor:
    """Tell which parts touch on the grid, by an edge of a token; (k, k), symmetric."""
    count = int(labels.max()) + 1
    touching = torch.zeros(count, count, dtype=torch.bool, device=labels.device)
    if grid is not None:
        cells = labels.view(grid)
        for a, b in ((cells[:-1], cells[1:]), (cells[:, :-1], cells[:, 1:])):
            touching[a.flatten(), b.flatten()] = True
    return touching | touching.mT
