from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.errors import DataError
from research import retrieval as module
from research.retrieval import majority_labels, nearest_neighbours, retrieve_classes


def plain_classes(queries, bank, labels, k):
    unit = bank / np.linalg.norm(bank, axis=1, keepdims=True)
    found = []
    for query in queries:
        near = np.argsort(-(unit @ query), kind="stable")[:k]
        votes = Counter(labels[near].tolist())
        most = max(votes.values())
        found.append(next(int(labels[row]) for row in near if votes[labels[row]] == most))
    return found


@settings(deadline=None, max_examples=60)
@given(
    queries=st.integers(0, 12),
    bank=st.integers(5, 40),
    classes=st.integers(1, 4),
    k=st.sampled_from([1, 2, 3, 5]),
    seed=st.integers(0, 1000),
)
def test_vote_is_that_of_a_plain_search(queries, bank, classes, k, seed):
    rng = np.random.default_rng(seed)
    rows, known = rng.normal(size=(queries, 4)), rng.normal(size=(bank, 4))
    labels = rng.integers(0, classes, bank)
    found, confidence = retrieve_classes(rows, known, labels, neighbours=k)
    assert found.tolist() == plain_classes(rows, known, labels, k)
    assert confidence.shape == (queries,)
    assert ((confidence >= 1 / k - 1e-6) & (confidence <= 1)).all()


def test_chunks_do_not_matter(monkeypatch):
    rng = np.random.default_rng(0)
    rows, bank = rng.normal(size=(23, 6)), rng.normal(size=(100, 6))
    index, cosine = nearest_neighbours(rows, bank, neighbours=7)
    monkeypatch.setattr(module, "CHUNK", 3)  # 24 rows of the bank at once
    small, close = nearest_neighbours(torch.from_numpy(rows), bank, neighbours=7)
    np.testing.assert_array_equal(index, small)
    np.testing.assert_allclose(cosine, close, atol=1e-6)
    assert (np.diff(cosine, axis=1) <= 0).all()


def test_more_neighbours_than_one_chunk_of_the_bank(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 1)
    bank = np.eye(20)
    index, _ = nearest_neighbours(np.arange(20, 0, -1)[None], bank, neighbours=20)
    assert index.tolist() == [list(range(20))]


def test_equal_neighbours_come_in_the_order_of_the_bank():
    bank = np.array([[0.0, 1], [1, 0], [2, 0], [4, 0]])
    index, cosine = nearest_neighbours([[1.0, 0]], bank, neighbours=3)
    assert index.tolist() == [[1, 2, 3]]
    np.testing.assert_allclose(cosine, 1)


def test_ties_go_to_the_nearest():
    bank = np.array([[1.0, 0], [1, 0.1], [1, 0.2], [1, 0.3]])
    classes, confidence = retrieve_classes([[1.0, 0]], bank, [7, 3, 3, 7], neighbours=4)
    assert classes.tolist() == [7]
    assert confidence.tolist() == [0.5]


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 5), classes=st.integers(1, 5), seed=st.integers(0, 1000))
def test_majority_is_that_of_a_plain_count(n, classes, seed):
    rng = np.random.default_rng(seed)
    regions, mask = rng.integers(-1, n + 1, (5, 6)), rng.integers(0, classes, (5, 6))
    mask[rng.random((5, 6)) < 0.3] = 255
    labels, purity = majority_labels(regions, mask, n)
    for region in range(n):
        own = mask[(regions == region) & (mask != 255)]
        if len(own) == 0:
            assert (labels[region], purity[region]) == (255, 0)
            continue
        count = np.bincount(own)
        assert labels[region] == count.argmax()
        assert purity[region] == pytest.approx(count.max() / len(own))


def test_errors_name_what_is_wrong():
    bank, labels = np.eye(3), [0, 1, 2]
    with pytest.raises(DataError, match=r"5 neighbours .* there are 3"):
        retrieve_classes(bank, bank, labels, neighbours=5)
    with pytest.raises(ValueError, match="neighbours"):
        nearest_neighbours(bank, bank, neighbours=0)
    with pytest.raises(DataError, match="one dimension"):
        nearest_neighbours(np.ones((1, 2)), bank)
    with pytest.raises(DataError, match="3 whole numbers"):
        retrieve_classes(bank, bank, labels[:2])
    with pytest.raises(ValueError, match="agree"):
        majority_labels(np.zeros((2, 2)), np.zeros((2, 3)), 1)
    with pytest.raises(ValueError, match="classes from 0"):
        majority_labels(np.zeros((2, 2)), np.full((2, 2), -1), 1)
