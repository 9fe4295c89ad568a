import numpy as np
import pytest
import torch

from acseg.backbone.features import Features
from acseg.drawing import Conceptualized
from acseg.experiments.conceptualizers import from_labels
from acseg.experiments.drawing import draw_regions

GRID = (4, 6)


@pytest.fixture
def found() -> Conceptualized:
    labels = torch.zeros(GRID, dtype=torch.int64)
    labels[:, 3:] = 1
    features = Features(torch.rand(1, 24, 5), GRID, torch.rand(1, 24))
    return from_labels(features, labels.flatten())


@pytest.fixture
def picture() -> np.ndarray:
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:, 24:] = 255
    return picture


@pytest.mark.parametrize("upsample", ["scores", "labels"])
@pytest.mark.parametrize("refine", ["none", "guided", "pamr"])
def test_two_halves_are_drawn_as_two_halves(
    found: Conceptualized, picture: np.ndarray, upsample: str, refine: str
) -> None:
    labels = draw_regions(found, picture, upsample=upsample, refine=refine)
    np.testing.assert_array_equal(labels, picture[..., 0] // 255)


def test_regions_are_painted_with_their_classes(found: Conceptualized, picture: np.ndarray) -> None:
    drawn = draw_regions(found, picture, np.array([7, 3]))
    np.testing.assert_array_equal(drawn, np.where(picture[..., 0] > 0, 3, 7))


def test_prototypes_without_a_pixel_leave_no_gap(picture: np.ndarray) -> None:
    labels = torch.zeros(24, dtype=torch.int64)
    labels[12:] = 2  # nothing is 1
    features = Features(torch.rand(1, 24, 5), GRID, torch.rand(1, 24))
    found = from_labels(features, labels)
    for refine in ("none", "guided"):
        drawn = draw_regions(found, picture, refine=refine)
        assert set(np.unique(drawn)) == {0, 1}
    drawn = draw_regions(found, picture, upsample="labels")
    assert set(np.unique(drawn)) == {0, 1}
