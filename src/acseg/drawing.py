"""From the concepts of a batch to the label map of each picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from acseg.backbone.features import Features
from acseg.classes.ids import BACKGROUND, paint
from acseg.classes.regions import Regions
from acseg.concepts.assignment import upsample_assignment
from acseg.concepts.confidence import concept_confidence
from acseg.segmentation import Segmentation


@dataclass(frozen=True)
class Conceptualized:
    """A batch on its way: features, concepts (B, k, D), their scores (B, N, k), the regions."""

    features: Features
    concepts: Tensor
    scores: Tensor
    regions: Regions


def draw_concepts(found: Conceptualized, pictures: Sequence[np.ndarray]) -> list[Segmentation]:
    """Draw the concepts of each picture, (H, W, 3) uint8, as labels 0..n-1."""
    results = []
    for i, picture in enumerate(pictures):
        labels, kept = _draw(found, i, picture)
        sure = concept_confidence(found.scores[i])[kept]
        confidence = {n: round(float(c), 4) for n, c in enumerate(sure)}
        results.append(Segmentation(labels, picture, "concepts", confidence))
    return results


def draw_classes(
    found: Conceptualized,
    pictures: Sequence[np.ndarray],
    ids: NDArray,
    sure: NDArray,
    *,
    background: bool,
    names: Mapping[int, str],
) -> list[Segmentation]:
    """Draw the classes of each picture.

    Parameters
    ----------
    found : Conceptualized
    pictures : sequence of (H, W, 3) uint8
    ids, sure : (R,) integer, (R,) float
        Class and confidence of every region of the batch.
    background : bool
        Whether class 0 is the background; it has no centre that it could be near, and so no
        confidence.
    names : mapping of class id to str
    """
    results = []
    for i, picture in enumerate(pictures):
        labels, kept = _draw(found, i, picture)
        mine = (found.regions.image == i).cpu().numpy()
        prototypes = found.regions.label.cpu().numpy()[mine]  # rising
        rows = np.searchsorted(prototypes, kept.cpu().numpy())
        classes = ids[mine][rows]
        confidence = _by_class(classes, sure[mine][rows], labels)
        if background:
            confidence.pop(BACKGROUND, None)
        results.append(Segmentation(paint(labels, classes), picture, "classes", confidence, names))
    return results


def _draw(found: Conceptualized, i: int, picture: np.ndarray) -> tuple[NDArray[np.uint8], Tensor]:
    """Labels (H, W) of picture i, and which prototype each of them is."""
    size = picture.shape[0], picture.shape[1]
    labels, kept = upsample_assignment(found.scores[i], found.features.grid, size)
    return labels.cpu().numpy().astype(np.uint8), kept


def _by_class(classes: NDArray, sure: NDArray, labels: NDArray) -> dict[int, float]:
    """Average the confidence of a class's regions, weighted by their pixels."""
    pixels = np.bincount(labels.ravel(), minlength=len(classes))[: len(classes)]
    mean = {}
    for c in np.unique(classes):
        own = classes == c
        mean[int(c)] = round(float(np.average(sure[own], weights=np.maximum(pixels[own], 1))), 4)
    return mean
