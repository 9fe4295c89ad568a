import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.classes import clusters as module
from acseg.classes.clusters import assign_clusters, fit_clusters
from acseg.errors import DataError


def collection(classes=4, rows=200, dim=16, seed=0, spread=0.3):
    """Unequal clusters around random directions: rows (R, D), truth (R,)."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, dim))
    share = np.arange(1, classes + 1) / np.arange(1, classes + 1).sum()
    truth = rng.choice(classes, rows, p=share)
    rows_ = centres[truth] + spread * rng.normal(size=(rows, dim))
    return rows_ * rng.uniform(0.5, 20, (rows, 1)), truth  # the length says nothing


def test_known_clusters_are_found_largest_first():
    rows, truth = collection()
    found = fit_clusters(rows, 4, restarts=3)
    ids, _ = assign_clusters(rows, found.centres)
    pairs = set(zip(truth.tolist(), ids.tolist()))
    assert len(pairs) == 4  # one cluster for each class
    assert found.counts.tolist() == sorted(np.bincount(truth).tolist(), reverse=True)
    assert found.counts.tolist() == np.bincount(ids).tolist()
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1, atol=1e-6)
    assert len(found) == 4


def test_inertia_is_the_cosine_distance_to_the_centres():
    rows, _ = collection()
    found = fit_clusters(rows, 3, restarts=2)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    plain = sum(1 - max(row @ centre for centre in found.centres) for row in unit)
    assert found.inertia == pytest.approx(plain, rel=1e-4)


def test_more_starts_are_never_worse():
    rows, _ = collection(classes=12, spread=1.0)
    found = [fit_clusters(rows, 8, restarts=n).inertia for n in (1, 2, 4, 8)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0]


def test_same_seed_same_bytes_and_order_does_not_hang_on_it():
    rows, _ = collection()
    first, second = (fit_clusters(rows, 4, restarts=3, seed=5) for _ in range(2))
    assert first.centres.tobytes() == second.centres.tobytes()
    other = fit_clusters(rows, 4, restarts=3, seed=6)
    np.testing.assert_allclose(first.centres, other.centres, atol=1e-5)


def test_equal_counts_are_ordered_by_the_centre():
    rows = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1], [-1, 0, 0]])
    found = fit_clusters(rows, 4, restarts=1)
    plain = [[-1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    np.testing.assert_allclose(found.centres, plain, atol=1e-7)


def test_tensors_half_precision_and_zero_rows():
    rows, _ = collection()
    rows[3] = 0
    kept = np.delete(rows, 3, axis=0)
    wide = fit_clusters(torch.from_numpy(rows), 4, restarts=2)
    bare = fit_clusters(kept, 4, restarts=2)
    np.testing.assert_array_equal(wide.centres, bare.centres)
    half = fit_clusters(torch.from_numpy(rows).half(), 4, restarts=2)
    np.testing.assert_allclose(half.centres, bare.centres, atol=1e-2)


def test_many_rows_take_batches_and_find_the_same(monkeypatch):
    rows, _ = collection(rows=3000)
    full = fit_clusters(rows, 4, restarts=3)
    monkeypatch.setattr(module, "FULL_ROWS", 1000)
    monkeypatch.setattr(module, "BATCH_ROWS", 256)
    monkeypatch.setattr(module, "CHUNK_ROWS", 700)
    batches, again = (fit_clusters(rows, 4, restarts=3, seed=1) for _ in range(2))
    assert batches.centres.tobytes() == again.centres.tobytes()
    assert (batches.centres * full.centres).sum(axis=1).min() > 0.99
    assert batches.counts.sum() == 3000


@pytest.mark.parametrize("scale", [1, 1e-30, 1e30])
def test_too_few_different_descriptors_are_counted(scale):
    rows = np.array([[1.0, 0], [2, 0], [0, 1], [0, 3], [0, 0]]) * scale
    assert len(fit_clusters(rows, 2)) == 2
    with pytest.raises(DataError, match=r"3 classes .* only 2 were found"):
        fit_clusters(rows, 3)
    with pytest.raises(DataError, match="only 0 were found"):
        fit_clusters(np.zeros((0, 2)), 1)


def test_errors_name_what_is_wrong():
    rows, _ = collection()
    with pytest.raises(ValueError, match="classes"):
        fit_clusters(rows, 0)
    with pytest.raises(ValueError, match="restarts"):
        fit_clusters(rows, 2, restarts=0)
    with pytest.raises(DataError, match="shape"):
        fit_clusters(rows[0], 2)
    rows[7, 2] = np.nan
    with pytest.raises(DataError, match="descriptor 7"):
        fit_clusters(rows, 2)
    with pytest.raises(DataError, match="one dimension"):
        assign_clusters(rows[:3], np.ones((2, 3)))
    with pytest.raises(DataError, match="one dimension"):
        assign_clusters(rows[:3], np.ones((0, 16)))


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(0, 20), classes=st.integers(1, 6), dim=st.integers(1, 5), seed=st.integers(0)
)
def test_assignment_is_the_nearest_direction(rows, classes, dim, seed):
    rng = np.random.default_rng(seed)
    points, centres = rng.normal(size=(rows, dim)), rng.normal(size=(classes, dim))
    ids, confidence = assign_clusters(points, centres)
    assert ids.shape == confidence.shape == (rows,)
    for point, own, sure in zip(points, ids, confidence):
        cosine = [p @ point / np.linalg.norm(p) / np.linalg.norm(point) for p in centres]
        order = np.argsort(cosine)[::-1]
        first = cosine[order[0]]
        second = cosine[order[1]] if classes > 1 else -1
        assert cosine[own] == pytest.approx(first, abs=1e-5)
        if 1 - second > 1e-3:
            assert sure == pytest.approx(1 - (1 - first) / (1 - second), abs=1e-3)
        assert 0 <= sure <= 1


def test_confidence_at_a_centre_halfway_and_without_direction():
    centres = np.eye(3)
    _, confidence = assign_clusters([[2.0, 0, 0], [1, 1, 0], [0, 0, 0]], centres)
    np.testing.assert_allclose(confidence, [1, 0, 0], atol=1e-6)
    _, alone = assign_clusters([[2.0, 0, 0], [0, 1, 0], [-1, 0, 0]], centres[:1])
    np.testing.assert_allclose(alone, [1, 0.5, 0], atol=1e-6)
    _, twice = assign_clusters([[1.0, 0, 0]], centres[[0, 0]])
    assert twice.tolist() == [0]
