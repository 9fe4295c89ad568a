from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from acseg import ACSeg
from acseg.backbone.features import Features
from acseg.concepts.assignment import assign
from acseg.experiments.conceptualizers import (
    Stopwatch,
    from_labels,
    make_conceptualizer,
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
    back = first.pixels.view(2, 2, 3, 4).flip(2).reshape(2, 6, 4)
    turned = first.attention.view(2, 2, 3).flip(2).reshape(2, 6)
    both = mirrored(first, Features(back, (2, 3), turned))
    torch.testing.assert_close(both.pixels, first.pixels)
    torch.testing.assert_close(both.attention, first.attention)


@pytest.mark.parametrize("method", ["kmeans", "slic", "ncut"])
def test_every_clustering_goes_the_same_way(
    model: ACSeg, photograph: Callable[..., np.ndarray], method: str
) -> None:
    picture = photograph(1)
    image = to_tensor(picture, side=model.side, multiple=model.backbone.patch)[None]
    found = make_conceptualizer(model, method, k=3, seed=0)(picture, image)
    assert 1 <= len(found.regions) <= 3
    assert found.scores.shape[1] == np.prod(found.features.grid)


def test_the_acg_gives_what_the_model_gives(
    model: ACSeg, photograph: Callable[..., np.ndarray]
) -> None:
    picture = photograph(2)
    image = to_tensor(picture, side=model.side, multiple=model.backbone.patch)[None]
    found = make_conceptualizer(model, "acg", k=9, seed=0)(picture, image)
    torch.testing.assert_close(found.scores, model.conceptualize(image).scores)
    flipped = make_conceptualizer(model, "acg", k=9, seed=0, flip=True)(picture, image)
    assert not torch.equal(flipped.scores, found.scores)


def test_a_stopwatch_counts_pictures(model: ACSeg, photograph: Callable[..., np.ndarray]) -> None:
    picture = photograph(1)
    image = to_tensor(picture, side=model.side, multiple=model.backbone.patch)[None]
    watch = Stopwatch(model)
    timed = watch.around(make_conceptualizer(model, "spectral", k=3, seed=0))
    timed(picture, image)
    timed(picture, image)
    assert watch.pictures == 2
    assert watch.rate > 0
