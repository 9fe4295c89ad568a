"""Draw the figures of method.md: one sample photograph on its way through acseg.

`python docs/pictures/method.py` writes method-affinity.png, method-modularity.png and
method-concepts.png beside itself. It needs matplotlib (the extra plots) and scikit-image (demo),
and takes the best backbone at hand.
"""

import argparse
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from acseg import ACSeg
from acseg.demo import sample_photographs
from acseg.images.batch import to_tensor
from acseg.images.read import read_image
from acseg.output.palette import palette

HERE = Path(__file__).parent
PHOTOGRAPH = "coffee.png"
POINTS = ((0.42, 0.50), (0.15, 0.12), (0.82, 0.42))  # row, column: three tokens to follow
GRANULARITIES = (0.3, 0.5, 0.8)
BLOCK = 8  # rows and columns of a matrix that are averaged into one point of its picture

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Steps:
    """What is computed of one photograph (H, W, 3), with N = h * w tokens.

    Tokens (N, D); the picture's own threshold; part of each token (N,) at each granularity; the
    label map (H, W) at 0.5.
    """

    photograph: NDArray[np.uint8]
    grid: tuple[int, int]
    tokens: Floats
    threshold: float
    parts: dict[float, NDArray[np.int64]]
    labels: NDArray[np.uint8]


def follow(model: ACSeg, photograph: NDArray[np.uint8]) -> Steps:
    """Take a photograph through the method, and keep every step."""
    pipeline = model.pipeline
    image = to_tensor(photograph, side=pipeline.side, multiple=pipeline.backbone.patch)[None]
    features = pipeline.encode(image)
    (found,) = pipeline.concepts(image)
    assert found is not None  # noqa: S101
    return Steps(
        photograph,
        features.grid,
        features.tokens[0].double().numpy(),
        found.division.tree.threshold,
        {g: found.division.labels(g).numpy() for g in GRANULARITIES},
        model.segment(photograph).labels,
    )


def affinity(tokens: Floats) -> Floats:
    """A_ij = max(0, cos(x_i, x_j)): (N, D) -> (N, N)."""
    unit = tokens / np.linalg.norm(tokens, axis=1, keepdims=True)
    return np.maximum(unit @ unit.T, 0)


def modularity(A: Floats) -> Floats:
    """W_ij = A_ij - d_i d_j / 2m: what two tokens share beyond chance, (N, N)."""
    degree = A.sum(axis=1)
    return A - np.outer(degree, degree) / degree.sum()


def draw_affinity(steps: Steps) -> Figure:
    """Three tokens of the photograph, and the affinity of each to all others."""
    figure, axes = _row(4, 2.7)
    axes[0].imshow(steps.photograph)
    axes[0].set_title("photograph")
    A = affinity(steps.tokens)
    (h, w), (height, width) = steps.grid, steps.photograph.shape[:2]
    for n, (y, x) in enumerate(POINTS, start=1):
        _mark(axes[0], x * width, y * height, n)
        row = A[int(y * h) * w + int(x * w)].reshape(h, w)
        shown = axes[n].imshow(row, cmap="viridis", vmin=0, vmax=1)
        _mark(axes[n], x * w, y * h, n)
        axes[n].set_title(f"affinity to token {n}")
    figure.colorbar(shown, ax=axes[3], fraction=0.046)
    return figure


def draw_modularity(steps: Steps) -> Figure:
    """Both null models of all pairs of tokens, the tokens sorted by their concept."""
    figure, axes = _row(2, 3.6)
    parts = steps.parts[0.5]
    order = np.argsort(parts, kind="stable")
    A = affinity(steps.tokens)
    ends = np.flatnonzero(np.diff(parts[order])) + 1
    for axis, matrix, title in (
        (axes[0], modularity(A), "null model of degrees"),
        (axes[1], A - steps.threshold, f"threshold t = {steps.threshold:.2f}"),
    ):
        small = shrink(matrix[np.ix_(order, order)], BLOCK)
        limit = float(np.abs(small).max())
        shown = axis.imshow(small, cmap="RdBu_r", vmin=-limit, vmax=limit)
        for end in ends:
            axis.axhline(end / BLOCK, color="black", lw=0.8)
            axis.axvline(end / BLOCK, color="black", lw=0.8)
        axis.set_title(title)
        figure.colorbar(shown, ax=axis, fraction=0.046)
    return figure


def draw_concepts(steps: Steps) -> Figure:
    """The concepts of the tokens at three granularities, and the label map."""
    figure, axes = _row(4, 2.7)
    maps = [(g, parts.reshape(steps.grid)) for g, parts in steps.parts.items()]
    for axis, (g, parts) in zip(axes, maps, strict=False):
        _show(axis, parts, f"granularity {g}: {parts.max() + 1}")
    _show(axes[3], steps.labels, "label map at 0.5")
    return figure


def shrink(matrix: Floats, block: int) -> Floats:
    """Average blocks of a square matrix; rows and columns beyond the last block are left out."""
    n = len(matrix) // block
    return matrix[: n * block, : n * block].reshape(n, block, n, block).mean(axis=(1, 3))


def _row(count: int, size: float) -> tuple[Figure, NDArray]:
    figure = Figure(figsize=(size * count, size), layout="constrained")
    axes = figure.subplots(1, count)
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.title.set_size(10)
    return figure, axes


def _show(axis: Any, labels: NDArray, title: str) -> None:
    """Draw labels 0, 1, ... in the colours of label maps."""
    count = int(labels.max()) + 1
    colours = ListedColormap(palette(count) / 255)
    axis.imshow(labels, cmap=colours, vmin=-0.5, vmax=count - 0.5, interpolation="nearest")
    axis.set_title(title)


def _mark(axis: Any, x: float, y: float, number: int) -> None:
    """Write a number into a disc."""
    axis.plot(x, y, "o", ms=14, mec="black", mfc="white")
    axis.text(x, y, str(number), ha="center", va="center_baseline", fontsize=9, color="black")


def save(figure: Figure, path: Path) -> None:
    """Write a small PNG: 256 colours are enough for these."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=90, metadata={"Software": None})
    with Image.open(stream) as drawn:
        drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def main(out: Path) -> None:
    """Draw all figures into a folder."""
    torch.set_num_threads(1)
    path = next(path for path in sample_photographs() if path.name == PHOTOGRAPH)
    steps = follow(ACSeg(device="cpu", precision="float32"), read_image(path))
    save(draw_affinity(steps), out / "method-affinity.png")
    save(draw_modularity(steps), out / "method-modularity.png")
    save(draw_concepts(steps), out / "method-concepts.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default=HERE)
    main(parser.parse_args().out)
