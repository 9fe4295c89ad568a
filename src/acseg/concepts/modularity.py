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

Sums over j are taken tile by tile, so that no N x N matrix ever exists: modularity_tiles.py does
it in plain torch and visits only the tiles on and above the diagonal, since all matrices here are
symmetric; modularity_triton.py does it in one kernel for a GPU.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from acseg.concepts import modularity_triton
from acseg.concepts.modularity_tiles import Graph, make_graph, tiled_degrees, tiled_gains

TILE = {"cpu": 400, "cuda": 2048}  # side of a tile in pixels, measured: docs/performance.md
PRECISIONS = ("float32", "bfloat16")


def modularity_loss(
    pixels: Tensor,
    concepts: Tensor,
    *,
    self_affinity: bool = True,
    precision: str = "float32",
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
    precision
        Of the affinities. "float32" (default) is exact. "bfloat16" allows them to be rounded where
        the device multiplies bfloat16 in hardware and that is faster: the gradient is then off by
        at most 1e-2 of its norm (about 1e-4 on pixels of a ViT) while the mean cosine of an
        image's pixels is below 0.98; above that an image is nearly of one colour.
    degrees
        (B, N), what `pixel_degrees` gives for these pixels and the same `self_affinity`. Worth
        passing where the same pixels come up in many steps and N is above about 4,000 (2,000 with
        bfloat16); below that the degrees are a by-product of the affinities.
    tile
        Largest side of the square tiles in pixels, 64 to 4096; changes time and memory, and the
        result only by rounding. Default: 400 on a CPU; on a GPU one Triton kernel does the work
        where triton is installed, k is at most 32 and the inputs are not float64, and tiles of
        2048 otherwise.

    Returns
    -------
    Tensor
        Scalar in [-1, 1], mean over the batch, float32 or float64. An image without any affinity
        counts as 0.

    Raises
    ------
    ValueError
        Where shapes do not fit together, an input is not floating point, tile is below 1, or
        precision is unknown.

    References
    ----------
    Li et al., ACSeg: Adaptive Conceptualization for Unsupervised Semantic Segmentation, CVPR 2023.
    """
    check_inputs(pixels, concepts)
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be float32 or bfloat16, found {precision!r}")
    if degrees is not None and degrees.shape != pixels.shape[:2]:
        raise ValueError(
            f"degrees must be (B, N) = {tuple(pixels.shape[:2])} like the pixels, "
            f"found {tuple(degrees.shape)}"
        )
    tile = check_tile(tile)
    dtype = torch.promote_types(torch.promote_types(pixels.dtype, concepts.dtype), torch.float32)
    rounded = precision == "bfloat16" and dtype == torch.float32 and has_bfloat16(pixels.device)
    with torch.autocast(pixels.device.type, enabled=False):
        x = F.normalize(pixels.detach().to(dtype), dim=-1)  # (B, N, D)
        c = F.normalize(concepts.to(dtype), dim=-1)  # (B, k, D)
        cosines = first_of_equals(c, c @ x.mT)  # (B, k, N)
        graph = make_graph(x, self_affinity=self_affinity, bfloat16=rounded)
        known = None if degrees is None else degrees.detach().to(dtype)
        return _Modularity.apply(cosines, graph, known, tile)


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
    tile = check_tile(tile)
    dtype = torch.promote_types(pixels.dtype, torch.float32)
    with torch.autocast(pixels.device.type, enabled=False):
        x = F.normalize(pixels.detach().to(dtype), dim=-1)  # (B, N, D)
        graph = make_graph(x, self_affinity=self_affinity, bfloat16=False)
        if tile is None and modularity_triton.suits(graph, 1):
            return modularity_triton.triton_degrees(graph)
        return tiled_degrees(graph, tile or default_tile(x))


class _Modularity(torch.autograd.Function):
    """Loss and closed-form gradient with respect to the cosines, out of one sweep."""

    @staticmethod
    def forward(
        ctx: Any,
        cosines: Tensor,  # (B, k, N)
        graph: Graph,
        degrees: Tensor | None,  # (B, N)
        tile: int | None,
    ) -> Tensor:
        positive = cosines.clamp(min=0)  # (B, k, N) S+
        if tile is None and modularity_triton.suits(graph, positive.shape[1]):
            gains, totals = modularity_triton.triton_gains(graph, positive, degrees)
        else:
            gains, totals = tiled_gains(graph, positive, degrees, tile or default_tile(positive))
        losses = -(positive * gains).sum(dim=(1, 2)) / totals  # (B,)
        scale = -2 / (totals * len(totals))  # (B,)
        ctx.save_for_backward(gains.mul_(positive > 0).mul_(scale[:, None, None]))
        return losses.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors  # (B, k, N) dL/dS
        return grad * slope, None, None, None


def first_of_equals(c: Tensor, cosines: Tensor) -> Tensor:
    """Leave the pairs of equal concepts c (B, k, D) to the first: the others' cosines become 0."""
    equal = (c[:, :, None] == c[:, None]).all(dim=3)  # (B, k, k)
    later = equal.tril(diagonal=-1).any(dim=2, keepdim=True)  # (B, k, 1)
    return cosines.masked_fill(later, 0)


def has_bfloat16(device: torch.device) -> bool:
    """Say whether the device multiplies bfloat16 in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # private: may be missing
    return any(getattr(torch.cpu, probe, bool)() for probe in probes)


def default_tile(x: Tensor) -> int:
    """Give the side of a tile that suits the device."""
    return TILE.get(x.device.type, TILE["cuda"])


def check_tile(tile: int | None) -> int | None:
    """Raise ValueError where the side of the tiles is below 1."""
    if tile is not None and tile < 1:
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
