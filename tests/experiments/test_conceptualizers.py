from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from acseg import ACSeg
from acseg.backbone.features import Features
from acseg.concepts.assignment import assign
from acseg.experiments import conceptualizers
from acseg.experiments.conceptualizers import (
    SEEDLESS,
    Stopwatch,
    cluster_features,
    from_labels,
    mirrored,
)
from acseg.images.batch import to_tensor


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> ACSeg:
    return ACSeg.load(tiny_run, device="cpu", precision="float32")


def features(pixels: torch.Tensor, grid: tuple[int, int]) -> Features:
    return Features(pixels, grid, torch.rand(pixels.shape[:2]))


def test_clusters_become_concepts_that_own_their_pixels() -> None:
    torch.manual_seed(0)
    pixels = torch.rand(1, 6, 4)
    labels = torch.tensor([0, 1, 1, 0, 2, 2])
    found = from_labels(features(pixels, (2, 3)), labels)
    assert torch.equal(assign(found.scores)[0], labels)
    assert len(found.regions) == 3
    torch.testing.assert_close(found.concepts[0, 1], pixels[0, 1:3].mean(0))


def test_the_mirror_image_of_a_symmetric_backbone_changes_nothing() -> None:
    torch.manual_seed(0)
    first = features(torch.rand(2, 6, 4), (2, 3))
    back = first.tokens.view(2, 2, 3, 4).flip(2).reshape(2, 6, 4)
    turned = first.attention.view(2, 2, 3).flip(2).reshape(2, 6)
    both = mirrored(first, Features(back, (2, 3), turned))
    torch.testing.assert_close(both.tokens, first.tokens)
    torch.testing.assert_close(both.attention, first.attention)


@pytest.fixture(scope="module")
def encoded(model: ACSeg, photograph: Callable[..., np.ndarray]) -> tuple[np.ndarray, Features]:
    picture = photograph(1)
    image = to_tensor(picture, side=model.side, multiple=model.backbone.patch)[None]
    return picture, model.backbone(image)


@pytest.mark.parametrize("method", ["kmeans", "slic", "ncut"])
def test_every_clustering_goes_the_same_way(
    encoded: tuple[np.ndarray, Features], method: str
) -> None:
    picture, features = encoded
    labels = cluster_features(features, picture, method, k=3, seed=0)
    found = from_labels(features, labels)
    assert 1 <= len(found.regions) <= 3
    assert torch.equal(assign(found.scores)[0], labels)


@pytest.mark.parametrize("method", sorted(SEEDLESS))
def test_what_draws_nothing_gives_every_seed_the_same(
    encoded: tuple[np.ndarray, Features], method: str
) -> None:
    picture, features = encoded
    first, other = (cluster_features(features, picture, method, k=4, seed=s) for s in (0, 7))
    assert torch.equal(first, other)


def test_what_draws_nothing_is_never_given_a_random_state() -> None:
    import inspect

    from acseg.evaluation import baselines

    for method, function in baselines.BASELINES.items():
        drawn = "random_state" in inspect.getsource(function)
        assert drawn == (method not in SEEDLESS)


def test_a_stopwatch_adds_up_seconds_and_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 1.5, 7.0, 8.5])
    monkeypatch.setattr(conceptualizers, "_now", lambda: next(times))
    watch = Stopwatch()
    assert watch.rate == float("inf")
    for _ in range(2):
        with watch:
            pass
    assert (watch.seconds, watch.pictures, watch.rate) == (2.0, 2, 1.0)
