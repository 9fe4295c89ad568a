"""Choose how many classes a collection has: the criterion of `--classes auto`.

The held-out confidence: cluster one half of the descriptors, assign the other half to the centres,
and take the mean confidence of `assign_clusters` (the simplified silhouette); then the same with
the halves exchanged. Too few clusters leave descriptors between centres that each stand for
several classes, too many put two centres into one class; both lower it. The candidate with the
highest mean wins. No label is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from acseg.classes.clusters import assign_clusters, fit_clusters
from acseg.classes.rows import Floats, unit_rows
from acseg.errors import DataError

CANDIDATES = (*range(2, 13), 14, 16, 18, 20, 23, 26, 30, 35, 40, 46, 53, 60)
SAMPLE = 4000  # descriptors looked at, at most
RESTARTS = 3


@dataclass(frozen=True)
class Choice:
    """What was chosen and why.

    Attributes
    ----------
    classes : int
        Number of clusters with the highest score, the smallest of equals. A background class
        comes on top (`class_count`).
    curve : tuple of (int, float)
        Each candidate with its score in 0..1, for the model folder.
    """

    classes: int
    curve: tuple[tuple[int, float], ...]


def choose_classes(
    descriptors: Any, *, candidates: Sequence[int] | None = None, folds: int = 2, seed: int = 0
) -> Choice:
    """Choose the number of clusters by the held-out confidence.

    Parameters
    ----------
    descriptors : array or CPU tensor
        (R, D). Rows without direction take no part; of more than `SAMPLE` rows, that many are
        drawn.
    candidates : sequence of int, optional
        Numbers to try, each at least 2. Default: `CANDIDATES` (2 to 60) as far as there are 10
        descriptors for each class, and 2 always.
    folds : int
        Parts, each of which is held out once: 2 to 5.
    seed : int
        Of the draws and of k-means.

    Returns
    -------
    Choice
        The number and the curve. Candidates for which a fold leaves too few different
        descriptors are left out.

    Raises
    ------
    DataError
        If no candidate can be tried.
    ValueError
        If a candidate or `folds` is below 2.
    """
    rows = unit_rows(descriptors)
    rows = rows[rows.any(axis=1)]
    random = np.random.default_rng(seed)
    rows = rows[random.permutation(len(rows))[:SAMPLE]]
    if candidates is None:
        candidates = [n for n in CANDIDATES if n == 2 or n * 10 <= len(rows)]
    if folds < 2 or any(n < 2 for n in candidates):
        raise ValueError(f"expected folds and candidates of at least 2, not {folds}, {candidates}")
    curve = []
    for classes in sorted(set(candidates)):
        score = _held_out(rows, classes, folds, seed)
        if score is not None:
            curve.append((classes, score))
    if not curve:
        raise DataError(
            f"{len(rows)} region descriptors are too few to choose the number of classes; "
            "give the number of classes, or more images"
        )
    best, _ = max(curve, key=lambda point: (point[1], -point[0]))
    return Choice(best, tuple(curve))


def _held_out(rows: Floats, classes: int, folds: int, seed: int) -> float | None:
    """Average the confidence of rows (in random order) that k-means has not seen."""
    part = np.arange(len(rows)) % folds
    total = 0.0
    for fold in range(folds):
        try:
            found = fit_clusters(rows[part != fold], classes, restarts=RESTARTS, seed=seed)
        except DataError:  # too few different descriptors
            return None
        _, confidence = assign_clusters(rows[part == fold], found.centres)
        total += float(confidence.sum(dtype=np.float64))
    return total / len(rows)
