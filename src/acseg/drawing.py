"""From the concepts of a batch to the label map of each picture."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from acseg.backbone.features import Features
from acseg.classes.ids import BACKGROUND, paint
from acseg.classes.regions import Regions
from acseg.concepts.assignment import upsample_assignment
from acseg.concepts.confidence import concept_confidence
from acseg.errors import ImageError
from acseg.segmentation import Segmentation


@dataclass(frozen=True)
class Conceptualized:
    """A batch on its way: features, concepts (B, k, D), their scores (B, N, k), the regions."""

    features: Features
    concepts: Tensor
    scores: Tensor
    regions: Regions


NOT_FINITE = "the backbone's features of it are not finite numbers; try --precision float32"

Draw = Callable[[np.ndarray], Segmentation]
"""Draws one picture, (H, W, 3) uint8, at its full size; on the processor, in any thread."""


def concept_drawings(found: Conceptualized) -> list[Draw]:
    """Make ready to draw the concepts of each picture of a batch as labels 0..n-1."""
    scores, grid = found.scores.cpu(), found.features.grid

    def draw(picture: np.ndarray, own: Tensor) -> Segmentation:
        labels, kept = _upsample(own, grid, picture)
        sure = concept_confidence(own)[kept]
        confidence = {n: round(float(c), 4) for n, c in enumerate(sure)}
        return Segmentation(labels, picture, "concepts", confidence)

    return [partial(draw, own=one.clone()) for one in scores]


def class_drawings(
    found: Conceptualized,
    ids: NDArray,
    sure: NDArray,
    *,
    background: bool,
    names: Mapping[int, str],
) -> list[Draw]:
    """Make ready to draw the classes of each picture of a batch.

    Parameters
    ----------
    found : Conceptualized
    ids, sure : (R,) integer, (R,) float
        Class and confidence of every region of the batch.
    background : bool
        Whether class 0 is the background; it has no centre that it could be near, and so no
        confidence.
    names : mapping of class id to str
    """
    scores, grid = found.scores.cpu(), found.features.grid
    images = found.regions.image.cpu().numpy()
    prototypes = found.regions.label.cpu().numpy()  # rising within each picture

    def draw(picture: np.ndarray, own: Tensor, mine: NDArray) -> Segmentation:
        labels, kept = _upsample(own, grid, picture)
        rows = mine[np.searchsorted(prototypes[mine], kept.numpy())]
        confidence = _by_class(ids[rows], sure[rows], labels)
        if background:
            confidence.pop(BACKGROUND, None)
        return Segmentation(paint(labels, ids[rows]), picture, "classes", confidence, names)

    return [
        partial(draw, own=one.clone(), mine=np.flatnonzero(images == i))
        for i, one in enumerate(scores)
    ]


def _upsample(
    scores: Tensor, grid: tuple[int, int], picture: np.ndarray
) -> tuple[NDArray[np.uint8], Tensor]:
    """Labels (H, W) of a picture, and which prototype each of them is."""
    if not bool(scores.isfinite().all()):
        raise ImageError(NOT_FINITE)
    labels, kept = upsample_assignment(scores, grid, (picture.shape[0], picture.shape[1]))
    return labels.numpy().astype(np.uint8), kept


def _by_class(classes: NDArray, sure: NDArray, labels: NDArray) -> dict[int, float]:
    """Average the confidence of a class's regions, weighted by their pixels."""
    pixels = np.bincount(labels.ravel(), minlength=len(classes))[: len(classes)]
    mean = {}
    for c in np.unique(classes):
        own = classes == c
        mean[int(c)] = round(float(np.average(sure[own], weights=np.maximum(pixels[own], 1))), 4)
    return mean
