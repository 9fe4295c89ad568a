import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import eigh

from research.ncut import best_cut, recursive_ncut


def random_affinity(seed: int, size: int) -> np.ndarray:
    weights = np.random.default_rng(seed).uniform(0.01, 1, (size, size))
    return (weights + weights.T) / 2


def plain_ncut(affinity: np.ndarray, left: np.ndarray) -> float:
    cut = affinity[left][:, ~left].sum()
    return cut / affinity[left].sum() + cut / affinity[~left].sum()


def plain_best(affinity: np.ndarray) -> float:
    """Smallest Ncut over all cuts along the eigenvector of the generalised problem itself."""
    degree = np.diag(affinity.sum(axis=1))
    vector = eigh(degree - affinity, degree)[1][:, 1]
    order = np.argsort(vector)
    costs = []
    for cut in range(1, len(order)):
        left = np.zeros(len(order), bool)
        left[order[:cut]] = True
        costs.append(plain_ncut(affinity, left))
    return min(costs)


@given(st.integers(0, 9999), st.integers(2, 12))
@settings(deadline=None)
def test_cost_is_that_of_the_cut_and_the_best_along_the_vector(seed, size):
    affinity = random_affinity(seed, size)
    cost, left = best_cut(affinity)
    assert 0 < left.sum() < size
    assert cost == pytest.approx(plain_ncut(affinity, left))
    assert cost == pytest.approx(plain_best(affinity))


@given(st.integers(0, 9999), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_no_part_is_smaller_than_allowed(seed, min_size):
    affinity = random_affinity(seed, 20)
    labels = recursive_ncut(affinity, max_ncut=2.0, min_size=min_size)
    assert np.bincount(labels).min() >= min_size


def test_blocks_come_apart_and_k_stops_early():
    affinity = np.kron(np.eye(4), np.ones((6, 6))) + 1e-3
    assert np.bincount(recursive_ncut(affinity)).tolist() == [6, 6, 6, 6]
    assert recursive_ncut(affinity, k=3).max() + 1 == 3
    assert recursive_ncut(affinity, max_ncut=0.0).max() == 0


def test_nothing_to_cut():
    cost, left = best_cut(np.ones((3, 3)), min_size=2)
    assert cost == np.inf
    assert left.all()
    assert recursive_ncut(np.zeros((5, 5)), min_size=1).shape == (5,)
