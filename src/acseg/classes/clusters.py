"""Clusters: k-means over the descriptors of a whole collection.

Descriptors are compared by direction (spherical k-means): rows and centres have length 1, and a
descriptor belongs to the centre with the largest cosine.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from acseg.classes.rows import Floats, Ints, unit_rows
from acseg.errors import DataError

FULL_ROWS = 20_000  # up to here every row takes part in every step; beyond, batches of BATCH_ROWS
BATCH_ROWS = 4096
CHUNK_ROWS = 16_384  # rows compared with the centres at once


@dataclass(frozen=True)
class Clusters:
    """What k-means found, largest cluster first.

    Attributes
    ----------
    centres : ndarray
        (C, D) float32, each of length 1.
    counts : ndarray
        (C,) int64: descriptors nearest to each centre.
    inertia : float
        Sum over the descriptors of 1 - cosine to their centre.
    """

    centres: Floats
    counts: Ints
    inertia: float

    def __len__(self) -> int:
        """Count the clusters."""
        return len(self.centres)


def fit_clusters(
    descriptors: Any,
    classes: int,
    *,
    weights: Any | None = None,
    restarts: int = 10,
    seed: int = 0,
) -> Clusters:
    """Cluster the descriptors of a collection.

    scikit-learn's k-means on rows of length 1, the best of several starts; mini-batch k-means for
    more than `FULL_ROWS` rows. Of a very large collection, give a sample. The same
    descriptors and seed give the same clusters in the same order: by decreasing count, and by
    the coordinates of the centre where counts are equal.

    Parameters
    ----------
    descriptors : array or CPU tensor
        (R, D). Rows without direction (all zeros) take no part.
    classes : int
        Number of clusters C; with a background class, `cluster_count` gives it.
    weights : array, optional
        (R,) how much each descriptor counts, such as the root of its region's area. Default: all
        the same.
    restarts : int
        Starts: 10; 3 where speed matters, 30 for small collections.
    seed : int
        Of the starts.

    Returns
    -------
    Clusters
        Centres, counts and inertia.

    Raises
    ------
    DataError
        If there are fewer different descriptors than classes, or one is not finite.
    ValueError
        If `classes` or `restarts` is below 1.
    """
    if classes < 1 or restarts < 1:
        raise ValueError(f"expected classes and restarts >= 1, not {classes} and {restarts}")
    rows = unit_rows(descriptors)
    there = rows.any(axis=1)
    weight = None if weights is None else np.asarray(weights, dtype=np.float32)[there]
    rows = rows[there]
    distinct = _count_distinct(rows, classes)
    if distinct < classes:
        raise DataError(
            f"{classes} classes need at least {classes} different region descriptors, but only "
            f"{distinct} were found; use fewer classes or more images"
        )
    with threadpool_limits(1, user_api="openmp"):  # threads add up in a changing order
        centres, ids, cosine = _best_start(rows, weight, classes, restarts, seed)
    counts = np.bincount(ids, minlength=classes).astype(np.int64)
    order = np.lexsort((*centres.T[::-1], -counts))
    inertia = float((1 - cosine[:, 0].astype(np.float64)).sum())
    return Clusters(centres[order], counts[order], inertia)


def _best_start(
    rows: Floats, weight: Floats | None, classes: int, restarts: int, seed: int
) -> tuple[Floats, Ints, Floats]:
    """Run k-means from several starts: centres, ids and cosines of the largest sum of cosines."""
    if len(rows) > FULL_ROWS:  # the starts are compared inside, on a part of the rows
        batches = MiniBatchKMeans(
            classes, n_init=restarts, random_state=seed, batch_size=BATCH_ROWS, max_iter=50
        )
        centres = unit_rows(batches.fit(rows, sample_weight=weight).cluster_centers_)
        return centres, *_nearest(rows, centres)
    found = []
    for start in np.random.default_rng(seed).integers(2**31, size=restarts).tolist():
        means = KMeans(classes, n_init=1, random_state=start).fit(rows, sample_weight=weight)
        centres = unit_rows(means.cluster_centers_)
        found.append((centres, *_nearest(rows, centres)))
    share = np.ones(len(rows)) if weight is None else weight.astype(np.float64)
    return max(found, key=lambda one: float(one[2][:, 0] @ share))


def assign_clusters(descriptors: Any, centres: Any) -> tuple[Ints, Floats]:
    """Give each descriptor its nearest centre, and say how clearly it is the nearest.

    With cosines s1 to the nearest and s2 to the second nearest centre, the confidence is
    1 - (1 - s1) / (1 - s2): how much nearer the nearest is, as a part of the distance to the
    second (the simplified silhouette). 0 halfway between two centres, 1 at a centre. With a
    single centre, s2 = -1, the opposite direction.

    Parameters
    ----------
    descriptors : array or CPU tensor
        (R, D).
    centres : array
        (C, D) of `Clusters`.

    Returns
    -------
    ids : ndarray
        (R,) int64 in 0..C-1.
    confidence : ndarray
        (R,) float32 in 0..1. A descriptor without direction has 0.

    Raises
    ------
    DataError
        If dimensions differ, there is no centre, or a number is not finite.
    """
    rows, centres = unit_rows(descriptors), unit_rows(centres)
    if len(centres) == 0 or rows.shape[1] != centres.shape[1]:
        raise DataError(
            f"expected descriptors and centres of one dimension, not {rows.shape} "
            f"and {centres.shape}"
        )
    ids, cosine = _nearest(rows, centres)
    near, second = (1 - cosine.astype(np.float64)).clip(0, 2).T
    confidence = np.where(second > 0, 1 - near / np.where(second > 0, second, 1), 0)
    confidence = np.where(rows.any(axis=1), confidence, 0)
    return ids, confidence.clip(0, 1).astype(np.float32)


def _nearest(rows: Floats, centres: Floats) -> tuple[Ints, Floats]:
    """Find the nearest centre (R,) and the two largest cosines (R, 2), chunk by chunk."""
    ids = np.zeros(len(rows), dtype=np.int64)
    cosine = np.full((len(rows), 2), -1, dtype=np.float32)
    for first in range(0, len(rows), CHUNK_ROWS):
        chunk = slice(first, first + CHUNK_ROWS)
        scores = rows[chunk] @ centres.T  # (chunk, C)
        ids[chunk] = scores.argmax(axis=1)
        if len(centres) > 1:
            cosine[chunk] = -np.partition(-scores, 1, axis=1)[:, :2]
        else:
            cosine[chunk, 0] = scores[:, 0]
    return ids, cosine


def _count_distinct(rows: Floats, enough: int) -> int:
    """Count rows that differ beyond rounding, no further than `enough`."""
    found = np.zeros((0, rows.shape[1]), dtype=np.float32)
    for first in range(0, len(rows), 1024):
        rounded = np.round(rows[first : first + 1024], 5) + 0.0  # -0 is 0
        found = np.unique(np.concatenate([found, rounded]), axis=0)
        if len(found) >= enough:
            return enough
    return len(found)
