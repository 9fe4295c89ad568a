"""The sweep of the modularity loss over tiles of the pixel pairs, in plain torch operations.

What it computes, and why symmetry halves the work, is in modularity.py. Of one tile of pairs
(i, j), with P_c = S+_ic S+_jc and delta = max_c P_c, it takes::

    Z_c  = (A - d d^T / 2m) delta [P_c = delta]          sum_j Z_ijc = S+_ic G_ic

Z_c is symmetric as a whole, so a tile above the diagonal serves its mirror image by its sums along
the other side. All concepts are taken at once: a few large operations that stay in the cache.

Affinities can be taken in bfloat16. The mean pixel m is then taken out first::

    x_i . x_j  =  (x_i - m) . (x_j - m) + u_i + u_j,     u_i = x_i . m - m . m / 2

so that what is rounded is small where all pixels of a picture are alike; u is added in float32.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

AFFINITY_BYTES = 32 * 2**20  # affinities up to this size are kept instead of computed twice,
ROUNDED_BYTES = 8 * 2**20  # and up to this where bfloat16 makes them cheap

Tile = tuple[slice, slice]


@dataclass(frozen=True)
class Graph:
    """The pixels of a batch as their affinities need them.

    Attributes
    ----------
    x
        (B, N, D): unit length; or centred, in bfloat16.
    across
        (B, D, N): the same, laid out as the right side of a product.
    offset
        (B, N) float32, u of the formula above; None where x is not centred.
    self_affinity
        Whether A_ii is kept.
    """

    x: Tensor
    across: Tensor
    offset: Tensor | None
    self_affinity: bool

    def __getitem__(self, images: slice) -> "Graph":
        """Take some of the images."""
        offset = None if self.offset is None else self.offset[images]
        return Graph(self.x[images], self.across[images], offset, self.self_affinity)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the affinities."""
        return self.x.dtype if self.offset is None else self.offset.dtype

    def affinity(self, at: Tile) -> Tensor:
        """Compute one tile of A_ij = max(0, cos(x_i, x_j)), (B, R, C)."""
        rows, cols = at
        a = self.x[:, rows] @ self.across[:, :, cols]  # (B, R, C)
        if self.offset is not None:
            u, one = self.offset[:, :, None], torch.ones_like(self.offset)[:, :, None]
            left = torch.cat((u[:, rows], one[:, rows]), dim=2)  # (B, R, 2)
            right = torch.cat((one[:, cols], u[:, cols]), dim=2)  # (B, C, 2)
            a = a.to(self.dtype).baddbmm_(left, right.mT)
        a = a.clamp_(min=0)
        if not self.self_affinity and rows == cols:
            a.diagonal(dim1=1, dim2=2).zero_()
        return a


def make_graph(x: Tensor, *, self_affinity: bool, bfloat16: bool) -> Graph:
    """Prepare pixels x (B, N, D) of unit length for affinities, exact or in bfloat16."""
    if not bfloat16:
        return Graph(x, x.mT, None, self_affinity)
    mean = x.mean(dim=1, keepdim=True)  # (B, 1, D)
    offset = (x @ mean.mT - (mean @ mean.mT) / 2).squeeze(2)  # (B, N)
    centred = (x - mean).bfloat16()
    return Graph(centred, centred.mT.contiguous(), offset, self_affinity)


def tiled_gains(
    graph: Graph, positive: Tensor, degrees: Tensor | None, tile: int
) -> tuple[Tensor, Tensor]:
    """Sweep the pairs: G (B, k, N) of `positive` S+ (B, k, N), and 2m (B,), 1 where it is 0."""
    mass = torch.zeros_like(positive)  # (B, k, N) S+ G
    totals = positive.new_ones(len(positive))  # (B,)
    for images in groups(graph.x, tile):
        known = None if degrees is None else degrees[images]
        totals[images] = add_mass(mass[images], positive[images], graph[images], known, tile)
    return torch.where(positive > 0, mass / positive, 0), totals


def tiled_degrees(graph: Graph, tile: int) -> Tensor:
    """Sum each pixel's affinities, d_i = sum_j A_ij, (B, N)."""
    degrees = graph.x.new_zeros(graph.x.shape[:2], dtype=graph.dtype)
    for images in groups(graph.x, tile):
        for at in upper_tiles(graph.x.shape[1], tile):
            add_sums(degrees[images], graph[images].affinity(at), at)
    return degrees


def add_mass(
    mass: Tensor,  # (G, k, N), added to
    positive: Tensor,  # (G, k, N)
    graph: Graph,  # of G images
    degrees: Tensor | None,  # (G, N)
    tile: int,
) -> Tensor:
    """Add S+ G of a group of images to `mass`; give 2m (G,), with 1 where there is no affinity."""
    tiles = list(upper_tiles(graph.x.shape[1], tile))
    kept: dict[int, Tensor] = {}
    if degrees is None:
        degrees = torch.zeros_like(positive[:, 0])
        most = AFFINITY_BYTES if graph.offset is None else ROUNDED_BYTES
        keep = pair_bytes(positive) <= most
        for t, at in enumerate(tiles):
            a = graph.affinity(at)
            add_sums(degrees, a, at)
            if keep:
                kept[t] = a
    totals = degrees.sum(dim=1)  # (G,) 2m
    totals = torch.where(totals > 0, totals, 1)
    scaled = degrees / totals[:, None]
    size = max(((r.stop - r.start) * (c.stop - c.start) for r, c in tiles))
    scratch = positive.new_empty(positive[..., 0].numel() * size)
    for t, at in enumerate(tiles):
        rows, cols = at
        a = kept.pop(t) if kept else graph.affinity(at)
        w = a.baddbmm_(degrees[:, rows, None], scaled[:, None, cols], alpha=-1)  # (G, R, C) W
        share = winners(positive.transpose(0, 1), w, at, scratch)  # (k, G, R, C) Z
        add_sums(mass.transpose(0, 1), share, at)
    return totals


def winners(positive: Tensor, w: Tensor, at: Tile, scratch: Tensor) -> Tensor:
    """Give each pair's W delta to the concept that wins it: Z (k, G, R, C); w is used up."""
    rows, cols = at
    left, right = positive[..., rows, None], positive[..., None, cols]
    shape = (len(positive), *w.shape)
    products = scratch[: shape[0] * w.numel()].view(shape)
    torch.mul(left, right, out=products)
    delta = products.amax(dim=0)  # (G, R, C)
    return products.eq_(delta).mul_(w.mul_(delta))


def add_sums(sums: Tensor, a: Tensor, at: Tile) -> None:
    """Add one tile (..., R, C) of a symmetric matrix to its sums along one side (..., N)."""
    rows, cols = at
    sums[..., cols] += a.sum(dim=-2)
    if rows != cols:
        sums[..., rows] += a.sum(dim=-1)


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


def pair_bytes(positive: Tensor) -> int:
    """Bytes of the upper half of the affinities of as many pixels as in (G, k, N)."""
    return len(positive) * positive.shape[2] ** 2 * positive.element_size() // 2
