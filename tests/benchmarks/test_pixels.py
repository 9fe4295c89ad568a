"""The pixels that generator and clusterings are timed on."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from speed.pixels import pixels_of_photographs, squares_of


def test_pixels_are_of_length_one_and_no_two_images_are_alike() -> None:
    pytest.importorskip("skimage")
    x = pixels_of_photographs(10, 32)
    assert x.shape == (10, 16, 384)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x.norm(dim=2), torch.ones(10, 16))
    flat = x.flatten(1)
    assert torch.cdist(flat, flat).fill_diagonal_(9).min() > 0.1
    halves = x.unflatten(2, (2, 192)).norm(dim=3)
    torch.testing.assert_close(halves, torch.full((10, 16, 2), 0.5**0.5))


def test_squares_go_from_corner_to_corner() -> None:
    image = np.arange(20 * 30 * 3).reshape(20, 30, 3)
    first, middle, last = squares_of(image, 3)
    assert first.shape == middle.shape == last.shape == (16, 16, 3)
    assert np.array_equal(first, image[:16, :16])
    assert np.array_equal(middle, image[2:18, 7:23])
    assert np.array_equal(last, image[4:, 14:])
    (only,) = squares_of(image, 1)
    assert np.array_equal(only, middle)
