"""The modularity of the pixel graph: the loss that trains the concept generator (ACSeg, CVPR 2023).

For the N pixels of one image and its k concepts::

    A_ij     = max(0, cos(x_i, x_j))           affinity
    d_i      = sum_j A_ij,  2m = sum_i d_i     degree, total weight
    W_ij     = A_ij - d_i d_j / 2m             modularity matrix
    S_ic     = cos(x_i, c_c),  S+ = max(0, S)  soft assignment
    delta_ij = max_c S+_ic S+_jc               intensity of "i and j share a concept"
    L        = -(1/2m) sum_ij W_ij delta_ij

The pixels are frozen, so only delta carries a gradient. Say that concept c wins the pair (i, j)
where it reaches the maximum, the first one where several do. With

    G_ic     = sum_j W_ij S+_jc [c wins (i, j)]

both things that training needs are at hand: delta_ij = sum_c S+_ic S+_jc [c wins (i, j)] gives

    L        = -(1/2m) sum_ic S+_ic G_ic       and       dL/dS_ic = -(2/2m) G_ic [S_ic > 0].

G is summed over square tiles of the N x N pairs. All matrices here are symmetric, so only the tiles
on and above the diagonal are visited, and each one above it serves its mirror image too.
"""

from collections.abc import Iterator
from math import ceil
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

TILE = {"cpu": 400, "cuda": 2048}  # side of a tile in pixels, measured: docs/generator.md
AFFINITY_BYTES = 32 * 2**20  # affinities up to this size are kept instead of computed twice

Tile = tuple[slice, slice]


def modularity_loss(
    pixels: Tensor,
    concepts: Tensor,
    *,
    self_affinity: bool = True,
    degrees: Tensor | None = None,
    tile: int | None = None,
) -> Tensor:
    """Score how badly the concepts split each image's pixel graph: its negative modularity.

    Neither input needs to be normalised. The pixels are taken as frozen: no gradient reaches them.

    Parameters
    ----------
    pixels
        (B, N, D), floating point. Types narrower than float32 are computed in float32.
    concepts
        (B, k, D), floating point.
    self_affinity
        Keep A_ii = 1 (default), as the paper's formula has it. False sets the diagonal to zero,
        as later work does.
    degrees
        (B, N), what `pixel_degrees` gives for these pixels and the same `self_affinity`. Worth
        passing where the same pixels come up in many steps and N is above about 4,000; below
        that the degrees are a by-product of the affinities.
    tile
        Largest side of the square tiles in pixels, 64 to 4096. Changes time and memory, and the
        result only by rounding. Default: 400 on a CPU, 2048 on a GPU.

    Returns
    -------
    Tensor
        Scalar in [-1, 1], mean over the batch, float32 or float64. An image without any affinity
        counts as 0.

    Raises
    ------
    ValueError
        Where shapes do not fit together, an input is not floating point or tile is below 1.

    References
    ----------
    Li et al., ACSeg: Adaptive Conceptualization for Unsupervised Semantic Segmentation, CVPR 2023.
    """
    check_inputs(pixels, concepts)
    tile = choose_tile(tile, pixels)
    dtype = torch.promote_types(torch.promote_types(pixels.dtype, concepts.dtype), torch.float32)
    if degrees is not None:
        if degrees.shape != pixels.shape[:2]:
            raise ValueError(
                f"degrees must be (B, N) = {tuple(pixels.shape[:2])} like the pixels, "
                f"found {tuple(degrees.shape)}"
            )
        degrees = degrees.detach().to(dtype)
    with torch.autocast(pixels.device.type, enabled=False):
        x = F.normalize(pixels.detach().to(dtype), dim=-1)  # (B, N, D)
        c = F.normalize(concepts.to(dtype), dim=-1)  # (B, k, D)
        cosines = c @ x.mT  # (B, k, N)
        return _Modularity.apply(cosines, x, self_affinity, degrees, tile)


def pixel_degrees(pixels: Tensor, *, self_affinity: bool = True, tile: int | None = None) -> Tensor:
    """Sum each pixel's affinities, d_i = sum_j A_ij.

    Parameters
    ----------
    pixels
        (B, N, D), floating point.
    self_affinity
        Keep A_ii = 1 (default), or set it to zero.
    tile
        Largest side of the square tiles in pixels, as in `modularity_loss`.

    Returns
    -------
    Tensor
        (B, N), float32 or float64.
    """
    check_rank("pixels", "(B, N, D)", pixels)
    tile = choose_tile(tile, pixels)
    dtype = torch.promote_types(pixels.dtype, torch.float32)
    with torch.autocast(pixels.device.type, enabled=False):
        x = F.normalize(pixels.detach().to(dtype), dim=-1)  # (B, N, D)
        degrees = x.new_zeros(x.shape[:2])
        for group in groups(x, tile):
            for at in upper_tiles(x.shape[1], tile):
                add_degrees(degrees[group], affinity(x[group], at, self_affinity), at)
    return degrees


class _Modularity(torch.autograd.Function):
    """Loss and closed-form gradient with respect to the cosines, in one sweep."""

    @staticmethod
    def forward(
        ctx: Any,
        cosines: Tensor,  # (B, k, N)
        x: Tensor,  # (B, N, D), unit length
        self_affinity: bool,
        degrees: Tensor | None,  # (B, N)
        tile: int,
    ) -> Tensor:
        positive = cosines.clamp(min=0)  # (B, k, N) S+
        gains = torch.zeros_like(positive)  # (B, k, N) G
        totals = x.new_ones(x.shape[0])  # (B,) 2m, 1 where it is zero
        for group in groups(x, tile):
            known = None if degrees is None else degrees[group]
            totals[group] = add_gains(
                gains[group], positive[group], x[group], known, self_affinity, tile
            )
        losses = -(positive * gains).sum(dim=(1, 2)) / totals  # (B,)
        scale = -2 / (totals * x.shape[0])  # (B,)
        ctx.save_for_backward(gains.mul_(positive > 0).mul_(scale[:, None, None]))
        return losses.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        (slope,) = ctx.saved_tensors  # (B, k, N) dL/dS
        return grad * slope, None, None, None, None


def add_gains(
    gains: Tensor,  # (G, k, N), added to
    positive: Tensor,  # (G, k, N)
    x: Tensor,  # (G, N, D)
    degrees: Tensor | None,  # (G, N)
    self_affinity: bool,
    tile: int,
) -> Tensor:
    """Add G of a group of images to `gains`; give 2m (G,), with 1 where there is no affinity."""
    tiles = list(upper_tiles(x.shape[1], tile))
    kept: dict[int, Tensor] = {}
    if degrees is None:
        degrees = x.new_zeros(x.shape[:2])
        keep = pair_bytes(x) <= AFFINITY_BYTES
        for t, at in enumerate(tiles):
            a = affinity(x, at, self_affinity)
            add_degrees(degrees, a, at)
            if keep:
                kept[t] = a
    totals = degrees.sum(dim=1)  # (G,) 2m
    totals = torch.where(totals > 0, totals, 1)
    scaled = degrees / totals[:, None]
    for t, at in enumerate(tiles):
        rows, cols = at
        a = kept.pop(t) if kept else affinity(x, at, self_affinity)
        w = a.baddbmm_(degrees[:, rows, None], scaled[:, None, cols], alpha=-1)  # (G, R, C) W
        add_tile(gains, positive, w, at)
    return totals


def add_tile(gains: Tensor, positive: Tensor, w: Tensor, at: Tile) -> None:
    """Share out the pairs of one tile of W among the concepts that win them; w is used up."""
    rows, cols = at
    left, right = (
        positive[:, :, rows, None],
        positive[:, :, None, cols],
    )  # (G, k, R, 1), (G, k, 1, C)
    delta = left[:, 0] * right[:, 0]  # (G, R, C)
    product = torch.empty_like(delta)
    for c in range(1, positive.shape[1]):
        torch.mul(left[:, c], right[:, c], out=product)
        torch.maximum(delta, product, out=delta)
    last = positive.shape[1] - 1
    for c in range(last + 1):
        won = w  # what no earlier concept took goes to the last one
        if c < last:
            torch.mul(left[:, c], right[:, c], out=product)
            won = product.eq_(delta).mul_(w)
            w -= won
        gains[:, c, rows] += (won @ right[:, c].mT).squeeze(-1)
        if rows != cols:
            gains[:, c, cols] += (left[:, c].mT @ won).squeeze(-2)


def affinity(x: Tensor, at: Tile, self_affinity: bool) -> Tensor:
    """Affinities of one tile, A_ij = max(0, cos(x_i, x_j)), of unit-length x."""
    rows, cols = at
    a = (x[:, rows] @ x[:, cols].mT).clamp_(min=0)  # (G, R, C)
    if not self_affinity and rows == cols:
        a.diagonal(dim1=1, dim2=2).zero_()
    return a


def add_degrees(degrees: Tensor, a: Tensor, at: Tile) -> None:
    """Add one tile's share of d_i = sum_j A_ij to `degrees` (G, N)."""
    rows, cols = at
    degrees[:, rows] += a.sum(dim=2)
    if rows != cols:
        degrees[:, cols] += a.sum(dim=1)


def upper_tiles(n: int, tile: int) -> Iterator[Tile]:
    """Cut n x n pairs into near-square tiles and give those on and above the diagonal."""
    side = ceil(n / ceil(n / tile))  # as even as can be: 784 is 2 x 392, not 400 + 384
    cuts = [slice(start, min(start + side, n)) for start in range(0, n, side)]
    for r, rows in enumerate(cuts):
        for cols in cuts[r:]:
            yield rows, cols


def groups(x: Tensor, tile: int) -> Iterator[slice]:
    """Cut the batch into groups of images whose pairs fill about one tile together."""
    side = min(tile, x.shape[1])
    size = max(1, tile * tile // max(1, side * side))
    for start in range(0, x.shape[0], size):
        yield slice(start, start + size)


def pair_bytes(x: Tensor) -> int:
    """Bytes of the upper half of the affinities of x (G, N, D)."""
    return x.shape[0] * x.shape[1] ** 2 * x.element_size() // 2


def choose_tile(tile: int | None, pixels: Tensor) -> int:
    """Take the given tile, or the one that suits the device."""
    if tile is None:
        return TILE.get(pixels.device.type, TILE["cuda"])
    if tile < 1:
        raise ValueError(f"tile must be at least 1 pixel, found {tile}")
    return tile


def check_inputs(pixels: Tensor, concepts: Tensor) -> None:
    """Raise ValueError where pixels and concepts do not belong together."""
    check_rank("pixels", "(B, N, D)", pixels)
    check_rank("concepts", "(B, k, D)", concepts)
    if pixels.shape[0] != concepts.shape[0] or pixels.shape[2] != concepts.shape[2]:
        raise ValueError(
            "pixels (B, N, D) and concepts (B, k, D) must agree in B and D, "
            f"found {tuple(pixels.shape)} and {tuple(concepts.shape)}"
        )


def check_rank(name: str, shape: str, x: Tensor) -> None:
    """Raise ValueError unless x is a floating-point tensor with three non-empty dimensions."""
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(f"{name} must be {shape} with no empty dimension, found {tuple(x.shape)}")
    if not x.is_floating_point():
        raise ValueError(f"{name} must be floating point, found {x.dtype}")
