"""Recursive normalised cut: the family of TokenCut and MaskCut, from its equations."""

from __future__ import annotations

import heapq

import numpy as np
from scipy.linalg import eigh


def recursive_ncut(
    affinity: np.ndarray, *, k: int | None = None, max_ncut: float = 0.5, min_size: int = 4
) -> np.ndarray:
    """Split a graph in two again and again, the cheapest cut first (Shi and Malik, PAMI 2000).

    Each part is ordered by the second smallest solution of ``(D - A) y = lambda D y`` and cut where
    ``Ncut = cut / vol(left) + cut / vol(right)`` is smallest along that order.

    Parameters
    ----------
    affinity : (N, N) float
        Symmetric, not negative.
    k : int, optional
        Stop at this many parts. By default only `max_ncut` and `min_size` stop.
    max_ncut : float, default 0.5
        Cuts that cost more are not made. Ncut lies in 0 .. 2; 0.3 to 0.9 are worth a try.
    min_size : int, default 4
        A cut that leaves a part smaller than this is not made.

    Returns
    -------
    (N,) int64
        Part of each pixel, 0 .. n - 1, numbered by first appearance.
    """
    labels = np.zeros(len(affinity), dtype=np.int64)
    parts = 1
    queue: list[tuple[float, int, np.ndarray, np.ndarray]] = []
    number = 0  # keeps the queue's order defined where costs are equal

    def propose(members: np.ndarray) -> None:
        nonlocal number
        cost, left = best_cut(affinity[np.ix_(members, members)], min_size=min_size)
        if cost <= max_ncut:
            heapq.heappush(queue, (cost, number, members[left], members[~left]))
            number += 1

    propose(np.arange(len(affinity)))
    while queue and (k is None or parts < k):
        _, _, left, right = heapq.heappop(queue)
        labels[right] = parts
        parts += 1
        propose(left)
        propose(right)
    return labels


def best_cut(affinity: np.ndarray, *, min_size: int = 1) -> tuple[float, np.ndarray]:
    """Find the cheapest cut along the second eigenvector.

    Returns
    -------
    cost : float
        Its Ncut; infinite where no cut is allowed.
    left : (N,) bool
        The pixels on one side.
    """
    size = len(affinity)
    everything = np.ones(size, dtype=bool)
    if size < 2 * max(min_size, 1):
        return np.inf, everything
    degree = affinity.sum(axis=1)
    degree = np.maximum(degree, 1e-9 * max(degree.max(), 1e-9))  # D must be positive definite
    order = np.argsort(_second_vector(affinity, degree), kind="stable")

    ordered = affinity[np.ix_(order, order)]
    volume = np.cumsum(degree[order])  # of the first i + 1 pixels
    inside = np.cumsum(2 * np.tril(ordered, -1).sum(axis=1) + np.diag(ordered))
    cut = np.maximum(volume - inside, 0.0)[:-1]
    ncut = cut / volume[:-1] + cut / (volume[-1] - volume[:-1])
    ncut[: min_size - 1] = np.inf
    ncut[size - min_size :] = np.inf
    best = int(np.argmin(ncut))
    left = np.zeros(size, dtype=bool)
    left[order[: best + 1]] = True
    return float(ncut[best]), left


def _second_vector(affinity: np.ndarray, degree: np.ndarray) -> np.ndarray:
    """Second smallest y of ``(D - A) y = lambda D y``, (N,); through the symmetric form."""
    root = 1 / np.sqrt(degree)
    laplacian = np.diag(degree) - affinity
    laplacian = root[:, None] * laplacian * root[None, :]
    _, vectors = eigh(laplacian, subset_by_index=[1, 1], driver="evr")
    return root * vectors[:, 0]
