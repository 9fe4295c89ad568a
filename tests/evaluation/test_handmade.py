"""Hand-made pixels: shapes, and what each part of them says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from acseg import ACSeg
from acseg.evaluation.handmade import STRIDE, HandMade, handmade_pixels

Photos = Callable[..., Path]


def test_it_stands_in_for_a_backbone():
    backbone = HandMade()
    found = backbone(torch.rand(2, 3, 24, 40))
    assert found.grid == (24 // STRIDE, 40 // STRIDE)
    assert found.tokens.shape == (2, 6 * 10, backbone.dim)
    assert found.tokens.dtype == torch.float32
    torch.testing.assert_close(found.attention.sum(1), torch.ones(2))


def test_a_model_segments_and_classifies_with_it(photos: Photos, tmp_path: Path):
    folder = photos(tmp_path, ["a.png", "b.png"])
    model = ACSeg(steps=2, batch=2, sample=16, side=32, concepts=3, classes=2, merge=0.9, rounds=2)
    model.set_params(descriptor="mean-token", foreground="none", device="cpu")
    model._backbone = HandMade()
    result = model.fit(folder).predict(folder / "a.png")
    assert {segment.id for segment in result.segments} <= {0, 1}
    assert model.segment(folder / "a.png").kind == "concepts"


def test_a_plain_picture_differs_in_place_alone():
    pixels = handmade_pixels(np.full((3, 16, 16), 0.5))
    assert pixels.shape == (4, 4, 12)
    assert np.ptp(pixels[..., :10], axis=(0, 1)).max() < 1e-6
    assert np.all(np.diff(pixels[..., 10], axis=0) > 0)  # rows
    assert np.all(np.diff(pixels[..., 11], axis=1) > 0)  # columns


def test_colour_and_edge_are_seen():
    image = np.zeros((3, 32, 32))
    image[:, :, 16:] = 1.0
    pixels = handmade_pixels(image)
    lightness, edge = pixels[4, :, 0], pixels[4, :, 9]
    assert lightness[0] < -1.5 < 1.5 < lightness[-1]
    assert edge[[3, 4]].min() > edge[[0, -1]].max()
