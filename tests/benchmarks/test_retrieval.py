"""Retrieval over the number of regions, on pictures whose answer is known."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from retrieval import Cells, Pictured, Set, score, some_pixels, table

KINDS = torch.eye(3)  # a direction for each class


def picture(truth: list[int]) -> Pictured:
    return Pictured(KINDS[torch.tensor(truth)].half(), np.array(truth))


@pytest.fixture
def data() -> Set:
    fitted = [picture([0, 0, 1, 1, 2, 2]), picture([0, 1, 1, 1, 2, 2])]
    return Set(fitted, [picture([0, 0, 0, 1, 1, 2]), picture([2, 2, 1, 1, 0, 0])], 3, 255)


def by_class(pixels: Tensor) -> Tensor:
    return pixels.argmax(1)


def test_regions_of_one_class_each_are_found_again(data: Set) -> None:
    found = score(data, by_class)
    assert found == {"regions": 3.0, "nearest": 100.0, "five": 100.0, "best": 100.0}


def test_a_region_of_all_classes_is_worth_its_largest(data: Set) -> None:
    scored = [one.pixels for one in data.scored]

    def coarse(pixels: Tensor) -> Tensor:  # 5-NN needs five labelled regions, so fine elsewhere
        whole = any(pixels is each for each in scored)
        return torch.zeros(len(pixels), dtype=torch.int64) if whole else by_class(pixels)

    # All 12 pixels get class 0, which is right for 5; of equals, as in the second, the smallest id.
    assert score(data, coarse)["best"] == pytest.approx(100 * (5 / 12) / 3)


def test_void_is_neither_a_label_nor_scored(data: Set) -> None:
    data.scored[0].truth[:3] = 255
    data.fitted[0].truth[4:] = 255
    assert score(data, by_class)["nearest"] == 100.0


def test_single_pixels_are_spread_and_the_others_left_out() -> None:
    labels = some_pixels(torch.zeros(1000, 2))
    assert labels.shape == (1000,)
    assert int((labels >= 0).sum()) == 256
    assert labels[0] == 0
    assert labels[-1] == 255
    assert some_pixels(torch.zeros(9, 2)).tolist() == list(range(9))


def test_pixels_left_out_are_not_scored(data: Set) -> None:
    def some(pixels: Tensor) -> Tensor:
        return torch.where(torch.arange(len(pixels)) % 2 == 0, pixels.argmax(1), -1)

    assert score(data, some)["nearest"] == 100.0


def test_the_table_averages_over_seeds() -> None:
    rows = [Cells("ACG", 8, seed, 7.0 + seed, 60.0 + seed, 50.0, 80.0) for seed in (0, 2)]
    rows.append(Cells("single pixels", 256, 0, 256.0, 1.0, 2.0, 100.0))
    assert table(rows) == [
        ["ACG", "8", "8.0", "61.0 +- 1.0", "50.0 +- 0.0", "80.0 +- 0.0"],
        ["single pixels", "256", "256.0", "1.0", "2.0", "100.0"],
    ]
