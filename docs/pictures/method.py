"""Draw the figures of method.md: one sample photograph on its way through the bundled model.

`python docs/pictures/method.py` writes method-affinity.png, method-modularity.png and
method-concepts.png beside itself. It needs matplotlib (the extra plots) and scikit-image (demo).
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
from acseg.concepts.assignment import assign, concept_scores
from acseg.demo import sample_photographs
from acseg.images.batch import to_tensor
from acseg.images.read import read_image
from acseg.output.palette import palette

HERE = Path(__file__).parent
PHOTOGRAPH = "coffee.png"
POINTS = ((0.42, 0.50), (0.15, 0.12), (0.82, 0.42))  # row, column: three pixels to follow
BLOCK = 8  # rows and columns of a matrix that are averaged into one point of its picture

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Steps:
    """What the method computes of one photograph (H, W, 3), with N = h * w pixels.

    Pixels (N, D); scores (N, k) against the concepts; for each pixel its concept before and after
    the merging of those that are alike; `labels` (H, W) of the result.
    """

    photograph: NDArray[np.uint8]
    grid: tuple[int, int]
    pixels: Floats
    scores: Floats
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    labels: NDArray[np.uint8]


def follow(model: ACSeg, photograph: NDArray[np.uint8]) -> Steps:
    """Take a photograph through the method, and keep every step."""
    image = to_tensor(photograph, side=model.side, multiple=model.backbone.patch)[None]
    found = model.conceptualize(image)
    pixels = found.features.tokens
    scores = concept_scores(pixels, found.concepts)[0]
    return Steps(
        photograph,
        found.features.grid,
        pixels[0].double().numpy(),
        scores.double().numpy(),
        assign(scores).numpy(),
        assign(found.scores[0]).numpy(),
        model.segment(photograph).labels,
    )


def affinity(pixels: Floats) -> Floats:
    """A_ij = max(0, cos(x_i, x_j)): (N, D) -> (N, N)."""
    unit = pixels / np.linalg.norm(pixels, axis=1, keepdims=True)
    return np.maximum(unit @ unit.T, 0)


def modularity(A: Floats) -> Floats:
    """W_ij = A_ij - d_i d_j / 2m: what two pixels share beyond chance, (N, N)."""
    degree = A.sum(axis=1)
    return A - np.outer(degree, degree) / degree.sum()


def draw_affinity(steps: Steps) -> Figure:
    """Three pixels of the photograph, and the affinity of each to all others."""
    figure, axes = _row(4, 2.7)
    axes[0].imshow(steps.photograph)
    axes[0].set_title("photograph")
    A = affinity(steps.pixels)
    (h, w), (height, width) = steps.grid, steps.photograph.shape[:2]
    for n, (y, x) in enumerate(POINTS, start=1):
        _mark(axes[0], x * width, y * height, n)
        row = A[int(y * h) * w + int(x * w)].reshape(h, w)
        shown = axes[n].imshow(row, cmap="viridis", vmin=0, vmax=1)
        _mark(axes[n], x * w, y * h, n)
        axes[n].set_title(f"affinity to pixel {n}")
    figure.colorbar(shown, ax=axes[3], fraction=0.046)
    return figure


def draw_modularity(steps: Steps) -> Figure:
    """Affinity and modularity of all pairs of pixels, the pixels sorted by their concept."""
    figure, axes = _row(2, 3.6)
    order = np.argsort(steps.after, kind="stable")
    A = affinity(steps.pixels)
    ends = np.flatnonzero(np.diff(steps.after[order])) + 1
    limit = float(np.abs(modularity(A)).max()) / 2
    for axis, matrix, title, colours, low, high in (
        (axes[0], A, "affinity A", "viridis", 0.0, 1.0),
        (axes[1], modularity(A), "modularity matrix W", "RdBu_r", -limit, limit),
    ):
        small = shrink(matrix[np.ix_(order, order)], BLOCK)
        shown = axis.imshow(small, cmap=colours, vmin=low, vmax=high)
        for end in ends:
            axis.axhline(end / BLOCK, color="black", lw=0.8)
            axis.axvline(end / BLOCK, color="black", lw=0.8)
        axis.set_title(title)
        figure.colorbar(shown, ax=axis, fraction=0.046)
    return figure


def draw_concepts(steps: Steps) -> Figure:
    """The concepts that own a pixel, those left after merging, and the label map."""
    used = np.unique(steps.before)
    kept = np.unique(steps.after)
    figure, axes = _row(4, 2.7)
    axes[0].imshow(steps.photograph)
    axes[0].set_title("photograph")
    for axis, owner, names, title in (
        (axes[1], steps.before, used, f"{len(used)} of {steps.scores.shape[1]} concepts used"),
        (axes[2], steps.after, kept, f"{len(kept)} left: like ones merged"),
    ):
        colours = ListedColormap(palette(len(names)) / 255)
        places = np.searchsorted(names, owner).reshape(steps.grid)
        axis.imshow(places, cmap=colours, vmin=-0.5, vmax=len(names) - 0.5)
        axis.set_title(title)
    colours = ListedColormap(palette(len(kept)) / 255)
    axes[3].imshow(steps.labels, cmap=colours, vmin=-0.5, vmax=len(kept) - 0.5)
    axes[3].set_title("label map at full size")
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
    steps = follow(ACSeg.load(device="cpu", precision="float32"), read_image(path))
    save(draw_affinity(steps), out / "method-affinity.png")
    save(draw_modularity(steps), out / "method-modularity.png")
    save(draw_concepts(steps), out / "method-concepts.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default=HERE)
    main(parser.parse_args().out)
