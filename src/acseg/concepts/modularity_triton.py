"""The sweep of the modularity loss as a Triton kernel: A, W and delta never leave the chip.

A program owns a block of rows i of one image and walks over the columns j. It does so twice: once
for the degrees d_i, once for G_ic = sum_j W_ij S+_jc [c wins (i, j)]; with known degrees once.
Nothing is added up between programs, so that a run repeats bit by bit. What is read: x (B, N, D),
S+ (B, k, N); what is written: d (B, N), G (B, k, N).

The same code runs on a CPU with TRITON_INTERPRET=1, slowly: that is how it is tested against
modularity_tiles.py.
"""

import importlib.util
import os
from typing import Any

import torch
from torch import Tensor

from acseg.concepts.modularity_tiles import Graph

MOST_CONCEPTS = 32
MOST_PIXELS = 65_536
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"

if importlib.util.find_spec("triton") is not None and (torch.cuda.is_available() or INTERPRETED):
    import triton
    import triton.language as tl

    CHOICES = [  # rows, columns, dimensions at a time; warps, stages
        triton.Config({"ROWS": rows, "COLS": cols, "DIMS": dims}, num_warps=warps, num_stages=3)
        for rows, cols, dims, warps in (
            *((32, 64, 32, 4), (64, 32, 32, 4), (64, 32, 64, 4), (64, 64, 32, 4)),
            *((64, 64, 32, 8), (64, 64, 64, 8), (128, 32, 32, 8), (128, 64, 32, 8)),
        )
    ]
    SLOW = [triton.Config({"ROWS": 16, "COLS": 32, "DIMS": 16})]  # for the interpreter

    @triton.jit
    def affinity(  # type: ignore[no-untyped-def]
        x,  # (N, D) of one image
        u,  # (N,)
        i,  # (ROWS,)
        j,  # (COLS,)
        N,
        D: tl.constexpr,
        SELF: tl.constexpr,
        EXACT: tl.constexpr,
        ROWS: tl.constexpr,
        COLS: tl.constexpr,
        DIMS: tl.constexpr,
    ):
        """Compute A_ij = max(0, x_i . x_j + u_i + u_j); 0 outside the image."""
        a = tl.zeros((ROWS, COLS), tl.float32)
        inside = (i < N)[:, None] & (j < N)[None, :]
        for start in range(0, D, DIMS):
            d = start + tl.arange(0, DIMS)
            left = tl.load(
                x + i[:, None] * D + d[None, :], (i < N)[:, None] & (d < D)[None, :], 0.0
            )
            right = tl.load(
                x + j[None, :] * D + d[:, None], (j < N)[None, :] & (d < D)[:, None], 0.0
            )
            if EXACT:
                a = tl.dot(left.to(tl.float32), right.to(tl.float32), a, input_precision="ieee")
            else:
                a = tl.dot(left, right, a)
        a += tl.load(u + i, i < N, 0.0)[:, None] + tl.load(u + j, j < N, 0.0)[None, :]
        if not SELF:
            inside = inside & (i[:, None] != j[None, :])
        return tl.where(inside, tl.maximum(a, 0.0), 0.0)

    @triton.autotune(SLOW if INTERPRETED else CHOICES, key=["N", "D"])
    @triton.jit
    def degrees_kernel(  # type: ignore[no-untyped-def]
        x,
        u,
        degrees,
        N,
        D: tl.constexpr,
        SELF: tl.constexpr,
        EXACT: tl.constexpr,
        ROWS: tl.constexpr,
        COLS: tl.constexpr,
        DIMS: tl.constexpr,
    ):
        """Sum the affinities of a block of rows."""
        image = tl.program_id(1).to(tl.int64)
        x += image * N * D
        u += image * N
        i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        total = tl.zeros((ROWS,), tl.float32)
        for start in range(0, N, COLS):
            j = start + tl.arange(0, COLS)
            a = affinity(x, u, i, j, N, D, SELF, EXACT, ROWS, COLS, DIMS)
            total += tl.sum(a, 1)
        tl.store(degrees + image * N + i, total, i < N)

    @triton.autotune(SLOW if INTERPRETED else CHOICES, key=["N", "D", "K"])
    @triton.jit
    def gains_kernel(  # type: ignore[no-untyped-def]
        x,
        u,
        positive,
        degrees,
        totals,
        gains,
        N,
        D: tl.constexpr,
        K: tl.constexpr,
        WIDE: tl.constexpr,
        SELF: tl.constexpr,
        EXACT: tl.constexpr,
        ROWS: tl.constexpr,
        COLS: tl.constexpr,
        DIMS: tl.constexpr,
    ):
        """Sum W_ij S+_jc over the pairs that concept c wins, for a block of rows."""
        image = tl.program_id(1).to(tl.int64)
        x += image * N * D
        u += image * N
        degrees += image * N
        positive += image * K * N
        i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        share = tl.load(degrees + i, i < N, 0.0) / tl.load(totals + image)  # (ROWS,) d_i / 2m
        concept = tl.arange(0, WIDE)
        gain = tl.zeros((ROWS, WIDE), tl.float32)
        for start in range(0, N, COLS):
            j = start + tl.arange(0, COLS)
            a = affinity(x, u, i, j, N, D, SELF, EXACT, ROWS, COLS, DIMS)
            w = a - share[:, None] * tl.load(degrees + j, j < N, 0.0)[None, :]
            delta = tl.zeros((ROWS, COLS), tl.float32)
            for c in range(K):
                left = tl.load(positive + c * N + i, i < N, 0.0)
                right = tl.load(positive + c * N + j, j < N, 0.0)
                delta = tl.maximum(delta, left[:, None] * right[None, :])
            for c in range(K):
                left = tl.load(positive + c * N + i, i < N, 0.0)
                right = tl.load(positive + c * N + j, j < N, 0.0)
                won = left[:, None] * right[None, :] == delta
                part = tl.sum(tl.where(won, w * right[None, :], 0.0), 1)  # (ROWS,)
                gain += tl.where(concept[None, :] == c, part[:, None], 0.0)
        place = image * K * N + concept[None, :] * N + i[:, None]
        tl.store(gains + place, gain, (concept < K)[None, :] & (i < N)[:, None])


def suits(graph: Graph, k: int) -> bool:
    """Say whether the kernel takes these pixels: on a GPU, with triton, not in float64."""
    return (
        "triton" in globals()
        and graph.x.device.type == "cuda"
        and graph.dtype == torch.float32
        and k <= MOST_CONCEPTS
        and graph.x.shape[1] <= MOST_PIXELS
    )


def triton_degrees(graph: Graph) -> Tensor:
    """Sum each pixel's affinities, d_i = sum_j A_ij, (B, N) float32."""
    batch, n, _ = graph.x.shape
    degrees = graph.x.new_empty((batch, n), dtype=torch.float32)
    with torch.cuda.device_of(degrees):
        degrees_kernel[_grid(batch, n)](*_pixels(graph), degrees, n, **_constants(graph))
    return degrees


def triton_gains(graph: Graph, positive: Tensor, degrees: Tensor | None) -> tuple[Tensor, Tensor]:
    """Sweep the pairs: G (B, k, N) of `positive` S+ (B, k, N), and 2m (B,), 1 where it is 0."""
    batch, k, n = positive.shape
    degrees = triton_degrees(graph) if degrees is None else degrees.contiguous()
    totals = degrees.sum(dim=1)
    totals = torch.where(totals > 0, totals, 1)
    gains = torch.empty_like(positive, memory_format=torch.contiguous_format)
    wide = max(2, 1 << (k - 1).bit_length())
    inputs = (*_pixels(graph), positive.contiguous(), degrees, totals)
    with torch.cuda.device_of(gains):
        gains_kernel[_grid(batch, n)](*inputs, gains, n, K=k, WIDE=wide, **_constants(graph))
    return gains, totals


def _pixels(graph: Graph) -> tuple[Tensor, Tensor]:
    """Give the pixels and their offsets, 0 where there are none."""
    offset = graph.x.new_zeros(graph.x.shape[:2]) if graph.offset is None else graph.offset
    return graph.x.contiguous(), offset.contiguous()


def _constants(graph: Graph) -> dict[str, Any]:
    """Give what the kernels are compiled for."""
    exact = graph.x.dtype == torch.float32 or INTERPRETED  # which has no product of bfloat16
    return {"D": graph.x.shape[2], "SELF": graph.self_affinity, "EXACT": exact}


def _grid(batch: int, n: int) -> Any:
    """Give one program to each block of rows of each image."""
    return lambda chosen: (triton.cdiv(n, chosen["ROWS"]), batch)
