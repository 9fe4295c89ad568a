"""The modularity loss tile by tile, with its gradient in closed form; no N x N matrix is kept.

The tokens are frozen, so only delta carries a gradient. Say that concept c wins the pair (i, j)
where it reaches the maximum in delta, the first one where several do. With

    G_ic     = sum_j W_ij S+_jc [c wins (i, j)]

both things that training needs are at hand: delta_ij = sum_c S+_ic S+_jc [c wins (i, j)] gives

    L        = -(1/2m) sum_ic S+_ic G_ic       and       dL/dS_ic = -(2/2m) G_ic [S_ic > 0].

Of one tile of pairs, with P_c = S+_ic S+_jc, the sweep takes Z_c = W delta [P_c = delta], whose
sum over j is S+_ic G_ic. Z_c is symmetric as a whole, so a tile above the diagonal serves its
mirror image by its sums along the other side, and half the tiles are never visited.

Affinities can be taken in bfloat16. The mean token m is then taken out first::

    x_i . x_j  =  (x_i - m) . (x_j - m) + u_i + u_j,     u_i = x_i . m - m . m / 2

so that what is rounded is small where all tokens of a picture are alike; u is added in float32.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

TILE = {"cpu": 400, "cuda": 2048}  # side of a tile in tokens, measured
AFFINITY_BYTES = 32 * 2**20  # affinities up to this size are kept instead of computed twice,
ROUNDED_BYTES = 8 * 2**20  # and up to this where bfloat16 makes them cheap

Tile = tuple[slice, slice]


@dataclass(frozen=True)
class Graph:
    """The tokens of a batch as their affinities need them.

    `x` (B, N, D) of unit length, or centred in bfloat16 with the `offset` u (B, N) of the formula
    above; `across` (B, D, N) is the same, laid out as the right side of a product. `threshold`
    (B,) is the constant null model, None the one of degrees.
    """

    x: Tensor
    across: Tensor
    offset: Tensor | None
    self_affinity: bool
    threshold: Tensor | None

    def __getitem__(self, images: slice) -> "Graph":
        """Take some of the images."""
        offset = None if self.offset is None else self.offset[images]
        threshold = None if self.threshold is None else self.threshold[images]
        return Graph(self.x[images], self.across[images], offset, self.self_affinity, threshold)

    def affinity(self, at: Tile) -> Tensor:
        """Compute one tile of A_ij = max(0, cos(x_i, x_j)), (B, R, C)."""
        rows, cols = at
        a = self.x[:, rows] @ self.across[:, :, cols]  # (B, R, C)
        if self.offset is not None:
            u, one = self.offset[:, :, None], torch.ones_like(self.offset)[:, :, None]
            left = torch.cat((u[:, rows], one[:, rows]), dim=2)  # (B, R, 2)
            right = torch.cat((one[:, cols], u[:, cols]), dim=2)  # (B, C, 2)
            a = a.to(self.offset.dtype).baddbmm_(left, right.mT)
        a = a.clamp_(min=0)
        if not self.self_affinity and rows == cols:
            a.diagonal(dim1=1, dim2=2).zero_()
        return a

    def null_model(self, degrees: Tensor, totals: Tensor) -> tuple[Tensor, Tensor]:
        """Give p, q (B, N) of the null model p_i q_j."""
        if self.threshold is None:
            return degrees, degrees / totals[:, None]
        return torch.ones_like(degrees), self.threshold.to(degrees)[:, None].expand_as(degrees)


def tiled_loss(
    tokens: Tensor,
    concepts: Tensor,
    *,
    self_affinity: bool,
    threshold: Tensor | None,
    bfloat16: bool,
) -> Tensor:
    """Compute `acseg.concepts.modularity.modularity_loss` of inputs that were checked."""
    dtype = torch.promote_types(torch.promote_types(tokens.dtype, concepts.dtype), torch.float32)
    rounded = bfloat16 and dtype == torch.float32 and has_bfloat16(tokens.device)
    with torch.autocast(tokens.device.type, enabled=False):
        x = F.normalize(tokens.detach().to(dtype), dim=-1)  # (B, N, D)
        c = F.normalize(concepts.to(dtype), dim=-1)  # (B, k, D)
        cosines = first_of_equals(c, c @ x.mT)  # (B, k, N)
        loss: Tensor = _Modularity.apply(
            cosines, make_graph(x, self_affinity, threshold, bfloat16=rounded)
        )
        return loss


class _Modularity(torch.autograd.Function):
    """Loss and closed-form gradient with respect to the cosines, out of one sweep."""

    @staticmethod
    def forward(ctx: Any, cosines: Tensor, graph: Graph) -> Tensor:
        """Sweep the pairs; cosines (B, k, N)."""
        positive = cosines.clamp(min=0)  # (B, k, N) S+
        tile = TILE.get(cosines.device.type, TILE["cuda"])
        mass, totals = torch.zeros_like(positive), positive.new_ones(len(positive))
        for images in groups(graph.x, tile):
            totals[images] = add_mass(mass[images], positive[images], graph[images], tile)
        losses = -mass.sum(dim=(1, 2)) / totals  # (B,)
        gains = torch.where(positive > 0, mass / positive, 0)  # (B, k, N) G
        ctx.save_for_backward(gains.mul_((-2 / (totals * len(totals)))[:, None, None]))
        return losses.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Give dL/dS (B, k, N)."""
        (slope,) = ctx.saved_tensors
        return grad * slope, None


def make_graph(
    x: Tensor, self_affinity: bool, threshold: Tensor | None, *, bfloat16: bool
) -> Graph:
    """Prepare tokens x (B, N, D) of unit length for affinities, exact or in bfloat16."""
    if not bfloat16:
        return Graph(x, x.mT, None, self_affinity, threshold)
    mean = x.mean(dim=1, keepdim=True)  # (B, 1, D)
    offset = (x @ mean.mT - (mean @ mean.mT) / 2).squeeze(2)  # (B, N)
    centred = (x - mean).bfloat16()
    return Graph(centred, centred.mT.contiguous(), offset, self_affinity, threshold)


def add_mass(mass: Tensor, positive: Tensor, graph: Graph, tile: int) -> Tensor:
    """Add S+ G of G images to `mass` (G, k, N); give 2m (G,), with 1 where there is no affinity."""
    tiles = list(upper_tiles(graph.x.shape[1], tile))
    kept: dict[int, Tensor] = {}
    degrees = torch.zeros_like(positive[:, 0])  # (G, N)
    most = AFFINITY_BYTES if graph.offset is None else ROUNDED_BYTES
    keep = pair_bytes(positive) <= most
    for t, at in enumerate(tiles):
        a = graph.affinity(at)
        add_sums(degrees, a, at)
        if keep:
            kept[t] = a
    totals = degrees.sum(dim=1)  # (G,) 2m
    totals = torch.where(totals > 0, totals, 1)
    p, q = graph.null_model(degrees, totals)  # (G, N) each
    size = max(((r.stop - r.start) * (c.stop - c.start) for r, c in tiles))
    scratch = positive.new_empty(positive[..., 0].numel() * size)
    for t, at in enumerate(tiles):
        rows, cols = at
        a = kept.pop(t) if kept else graph.affinity(at)
        w = a.baddbmm_(p[:, rows, None], q[:, None, cols], alpha=-1)  # (G, R, C) W
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


def first_of_equals(c: Tensor, cosines: Tensor) -> Tensor:
    """Leave the pairs of equal concepts c (B, k, D) to the first: the others' cosines become 0."""
    equal = (c[:, :, None] == c[:, None]).all(dim=3)  # (B, k, k)
    later = equal.tril(diagonal=-1).any(dim=2, keepdim=True)  # (B, k, 1)
    return cosines.masked_fill(later, 0)


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
    """Bytes of the upper half of the affinities of as many tokens as in (G, k, N)."""
    return len(positive) * positive.shape[2] ** 2 * positive.element_size() // 2


def has_bfloat16(device: torch.device) -> bool:
    """Say whether the device multiplies bfloat16 in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # private: may be missing
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)
