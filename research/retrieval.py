"""Retrieval: a region takes the class of the labelled regions that look most like it (k-NN)."""

from typing import Any

import numpy as np

from acseg.classes.rows import Floats, Ints, check_labels, unit_rows
from acseg.errors import DataError

CHUNK = 2048  # queries, and 8 times as many labelled rows, compared at once: 134 MB


def nearest_neighbours(queries: Any, bank: Any, *, neighbours: int = 1) -> tuple[Ints, Floats]:
    """Find the rows of a bank with the largest cosine to each query.

    Memory does not grow with queries x bank: both are compared in chunks.

    Parameters
    ----------
    queries : array or CPU tensor
        (Q, D).
    bank : array or CPU tensor
        (M, D).
    neighbours : int
        k: 1 and 5 in the paper; meant for up to about 50.

    Returns
    -------
    index : ndarray
        (Q, k) int64 rows of the bank, nearest first, the earlier row where cosines are equal.
    cosine : ndarray
        (Q, k) float32.

    Raises
    ------
    DataError
        If the bank has fewer than k rows, dimensions differ, or a number is not finite.
    ValueError
        If `neighbours` is below 1.
    """
    if neighbours < 1:
        raise ValueError(f"expected neighbours >= 1, not {neighbours}")
    rows, known = unit_rows(queries), unit_rows(bank)
    if rows.shape[1] != known.shape[1]:
        raise DataError(
            f"expected queries and bank of one dimension, not {rows.shape} and {known.shape}"
        )
    if len(known) < neighbours:
        raise DataError(
            f"{neighbours} neighbours need at least {neighbours} labelled regions, but there are "
            f"{len(known)}; use fewer neighbours or more labelled images"
        )
    index = np.zeros((len(rows), neighbours), dtype=np.int64)
    cosine = np.full((len(rows), neighbours), -np.inf, dtype=np.float32)
    for first in range(0, len(rows), CHUNK):
        chunk = slice(first, first + CHUNK)
        for start in range(0, len(known), 8 * CHUNK):
            scores = rows[chunk] @ known[start : start + 8 * CHUNK].T
            found, value = _largest(scores, neighbours)
            # The best so far stand first, so that an earlier row wins where cosines are equal.
            value = np.concatenate([cosine[chunk], value], axis=1)
            found = np.concatenate([index[chunk], found + start], axis=1)
            best = np.argsort(-value, axis=1, kind="stable")[:, :neighbours]
            cosine[chunk] = np.take_along_axis(value, best, axis=1)
            index[chunk] = np.take_along_axis(found, best, axis=1)
    return index, cosine


def _largest(scores: Floats, most: int) -> tuple[Ints, Floats]:
    """Take the largest scores of each row, the first of equals; writes into `scores`."""
    line = np.arange(len(scores))
    found, values = [], []
    for _ in range(min(most, scores.shape[1])):
        best = scores.argmax(axis=1)
        found.append(best)
        values.append(scores[line, best])
        scores[line, best] = -np.inf
    return np.stack(found, axis=1), np.stack(values, axis=1)


def retrieve_classes(
    queries: Any, bank: Any, labels: Any, *, neighbours: int = 1
) -> tuple[Ints, Floats]:
    """Classify regions by the majority of their nearest labelled regions.

    Parameters
    ----------
    queries : array or CPU tensor
        (Q, D) descriptors of the regions to classify.
    bank : array or CPU tensor
        (M, D) descriptors of labelled regions, of the training split.
    labels : array
        (M,) integers: their classes, as `majority_labels` gives them.
    neighbours : int
        k: 1 and 5 in the paper.

    Returns
    -------
    classes : ndarray
        (Q,) int64. Where classes have equally many votes, the one with the nearest neighbour.
    confidence : ndarray
        (Q,) float32 in 0..1: the part of the k votes that the class got.

    Raises
    ------
    DataError
        As `nearest_neighbours`, and if the labels do not fit the bank.
    """
    index, _ = nearest_neighbours(queries, bank, neighbours=neighbours)
    votes = check_labels(labels, len(np.asarray(bank)))[index]  # (Q, k) nearest first
    count = np.zeros(votes.shape, dtype=np.int64)
    for place in range(neighbours):
        count += votes == votes[:, place : place + 1]
    winner = count.argmax(axis=1)  # the first, so the nearest, of equals
    line = np.arange(len(votes))
    confidence = (count[line, winner] / neighbours).astype(np.float32)
    return votes[line, winner], confidence


def majority_labels(regions: Any, mask: Any, n: int, *, void: int = 255) -> tuple[Ints, Floats]:
    """Label the regions of an image by the class that covers most of each.

    Parameters
    ----------
    regions : array
        (H, W) integers: the region of each pixel; outside 0..n-1 is nothing.
    mask : array
        (H, W) integers from 0: ground truth.
    n : int
        Number of regions.
    void : int
        What the ground truth leaves open: it does not count.

    Returns
    -------
    labels : ndarray
        (n,) int64 classes, the smaller where two cover as much; `void` for a region that is void
        throughout, to be left out of a bank.
    purity : ndarray
        (n,) float32: the part of the region's counted pixels that have this class; 0 for void.

    Raises
    ------
    ValueError
        If shapes differ or the mask has a negative class.
    """
    grid, truth = np.asarray(regions).astype(np.int64), np.asarray(mask).astype(np.int64)
    if grid.shape != truth.shape:
        raise ValueError(f"expected shapes to agree, not {grid.shape} and {truth.shape}")
    counted = (truth != void) & (grid >= 0) & (grid < n)
    grid, truth = grid[counted], truth[counted]
    if truth.size and truth.min() < 0:
        raise ValueError("expected classes from 0 in the mask")
    classes = int(truth.max(initial=0)) + 1
    count = np.bincount(grid * classes + truth, minlength=n * classes).reshape(n, classes)
    total = count.sum(axis=1)
    purity = count.max(axis=1) / np.maximum(total, 1)
    return np.where(total > 0, count.argmax(axis=1), void), purity.astype(np.float32)
