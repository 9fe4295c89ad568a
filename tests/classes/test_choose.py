import numpy as np
import pytest
import torch

from acseg.classes import choose as module
from acseg.classes.choose import CANDIDATES, choose_classes
from acseg.classes.clusters import assign_clusters, fit_clusters
from acseg.errors import DataError


def collection(classes, rows=300, dim=24, seed=0, spread=0.1):
    """Unequal clusters with a shared mean direction."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, dim)) + 0.5 * rng.normal(size=dim)
    share = rng.dirichlet(np.full(classes, 2.0)) * 0.5 + 0.5 / classes
    truth = rng.choice(classes, rows, p=share)
    return centres[truth] + spread * rng.normal(size=(rows, dim)) * np.sqrt(classes)


@pytest.mark.parametrize("classes", [3, 5, 10])
def test_known_number_is_found(classes):
    choice = choose_classes(collection(classes), candidates=[2, 3, 4, 5, 6, 8, 10, 12, 16])
    assert choice.classes == classes
    assert [number for number, _ in choice.curve] == [2, 3, 4, 5, 6, 8, 10, 12, 16]
    assert all(0 <= score <= 1 for _, score in choice.curve)
    assert dict(choice.curve)[classes] == max(score for _, score in choice.curve)


def test_noise_does_not_drive_the_number_up():
    rows = np.random.default_rng(0).normal(size=(200, 32)) + 1
    assert choose_classes(rows, candidates=[2, 5, 10, 20]).classes == 2


def test_score_is_the_confidence_of_unseen_rows():
    rows = collection(4, rows=60)
    mixed = rows[np.random.default_rng(3).permutation(60)]
    plain = []
    for known, unseen in ((mixed[1::2], mixed[::2]), (mixed[::2], mixed[1::2])):
        centres = fit_clusters(known, 4, restarts=3, seed=3).centres
        plain.append(assign_clusters(unseen, centres)[1].mean())
    choice = choose_classes(rows, candidates=[4], seed=3)
    assert choice.curve == ((4, pytest.approx(np.mean(plain), abs=1e-6)),)


def test_same_seed_same_curve_and_tensors():
    rows = collection(3, rows=80)
    first = choose_classes(rows, candidates=[2, 3, 4], seed=1)
    assert first == choose_classes(torch.from_numpy(rows), candidates=[4, 2, 3, 3], seed=1)


def test_default_candidates_follow_the_size_of_the_collection():
    curve = choose_classes(collection(3, rows=65)).curve
    assert [number for number, _ in curve] == [n for n in CANDIDATES if n <= 6]
    assert [number for number, _ in choose_classes(collection(2, rows=8)).curve] == [2]


def test_large_collections_are_sampled(monkeypatch):
    monkeypatch.setattr(module, "SAMPLE", 40)
    curve = choose_classes(collection(3, rows=400)).curve
    assert [number for number, _ in curve] == [2, 3, 4]


def test_candidates_beyond_the_different_rows_are_left_out():
    rows = np.repeat(np.eye(3), 10, axis=0)
    choice = choose_classes(rows, candidates=[2, 3, 4])
    assert choice.classes == 3
    assert dict(choice.curve)[3] == pytest.approx(1)
    assert 4 not in dict(choice.curve)


def test_errors_name_what_is_wrong():
    for rows in (np.zeros((0, 3)), np.ones((9, 3)), np.zeros((9, 3)), np.eye(3)):
        with pytest.raises(DataError, match="too few"):
            choose_classes(rows)
    with pytest.raises(ValueError, match="candidates"):
        choose_classes(np.eye(3), candidates=[1, 2])
    with pytest.raises(ValueError, match="folds"):
        choose_classes(np.eye(3), folds=1)
