"""What the paper claims of the concepts, as tables: their number, and the score by complexity."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from acseg.evaluation.results import ImageScore


@dataclass(frozen=True)
class Bin:
    """Pictures with one number of classes present.

    Attributes
    ----------
    classes : int
    images : int
    concepts : float
        Mean number of concepts that these pictures were given.
    miou, covering : float
        Means of P3, 0..1.
    """

    classes: int
    images: int
    concepts: float
    miou: float
    covering: float


def by_classes(scores: Sequence[ImageScore]) -> list[Bin]:
    """Group the pictures of a P3 result by the number of classes present in each."""
    bins = []
    for number in sorted({score.classes for score in scores}):
        own = [score for score in scores if score.classes == number]
        bins.append(
            Bin(
                classes=number,
                images=len(own),
                concepts=float(np.mean([s.clusters for s in own])),
                miou=float(np.mean([s.miou for s in own])),
                covering=float(np.mean([s.covering for s in own])),
            )
        )
    return bins


def diversity(scores: Sequence[ImageScore]) -> float | None:
    """Correlate the number of concepts with the number of classes present (Pearson's r).

    None where either number is the same in all pictures.
    """
    pairs = np.array([(s.classes, s.clusters) for s in scores], dtype=float)
    if len(pairs) < 2 or (pairs.std(0) == 0).any():
        return None
    return float(np.corrcoef(pairs.T)[0, 1])
