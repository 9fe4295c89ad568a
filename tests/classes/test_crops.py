import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from acseg.backbone.features import Features
from acseg.classes.crops import ASPECT, describe_crops, region_boxes


def drawn(height: int, width: int, seed: int) -> torch.Tensor:
    """Labels 0..R-1 (h, w), each of them there."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(5, (height, width), generator=random)
    return torch.unique(labels, return_inverse=True)[1]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 7), st.integers(1, 7), st.sampled_from([4, 5.5, 8]), st.integers(0, 999))
def test_boxes_hold_their_regions_and_are_not_long(
    height: int, width: int, patch: float, seed: int
) -> None:
    labels = drawn(height, width, seed)
    size = round(height * patch), round(width * patch)
    high, wide = size[0] / height, size[1] / width
    for region, (left, top, right, bottom) in enumerate(region_boxes(labels, size)):
        own = [(y, x) for y in range(height) for x in range(width) if labels[y, x] == region]
        assert top <= round(min(y for y, _ in own) * high)
        assert bottom >= round((max(y for y, _ in own) + 1) * high)
        assert left <= round(min(x for _, x in own) * wide)
        assert right >= round((max(x for _, x in own) + 1) * wide)
        assert 0 <= left < right <= size[1]
        assert 0 <= top < bottom <= size[0]
        long, short = sorted((right - left, bottom - top), reverse=True)
        limit = size[0] if bottom - top < right - left else size[1]
        assert short == limit or long <= ASPECT * (short + 1)  # whole pixels


def test_a_long_box_grows_around_its_middle_and_stays_inside() -> None:
    labels = torch.zeros(10, 10, dtype=torch.long)
    labels[4, :8] = 1
    labels[9, 2:] = 2
    whole, long, low = region_boxes(labels, (100, 100))
    assert whole == (0, 0, 100, 100)
    assert long == (0, 25, 80, 65)
    assert low == (20, 60, 100, 100)
    assert region_boxes(labels, (100, 100), aspect=1)[1] == (0, 5, 80, 85)


def test_crops_are_cut_resized_encoded_and_averaged() -> None:
    random = torch.Generator().manual_seed(1)
    image = torch.rand(3, 40, 56, generator=random)
    labels = drawn(5, 7, 3)
    weights = torch.randn(3, 6, generator=random)
    seen: list[int] = []

    def encode(images: torch.Tensor) -> Features:
        seen.append(len(images))
        tokens = F.avg_pool2d(images, 8).flatten(2).mT @ weights
        return Features(tokens, (2, 2), torch.ones(tokens.shape[:2]))

    found = describe_crops(image, labels, encode, side=16)
    assert found.shape == (int(labels.max()) + 1, 6)
    for region, (left, top, right, bottom) in enumerate(region_boxes(labels, (40, 56))):
        crop = image[None, :, top:bottom, left:right]
        small = F.interpolate(crop, (16, 16), mode="bilinear", antialias=True, align_corners=False)
        wanted = F.normalize((small.mean(dim=(2, 3)) @ weights)[0], dim=0)
        torch.testing.assert_close(found[region], wanted, atol=1e-5, rtol=1e-4)
    assert sum(seen) == len(found)


@pytest.mark.parametrize("regions", [16, 17, 33])
def test_many_crops_go_in_batches(regions: int) -> None:
    labels = torch.arange(regions)[None]
    seen: list[int] = []

    def encode(images: torch.Tensor) -> Features:
        seen.append(len(images))
        return Features(images.mean(dim=(2, 3))[:, None], (1, 1), torch.ones(len(images), 1))

    found = describe_crops(torch.rand(3, 4, 4 * regions), labels, encode, side=4)
    assert found.shape == (regions, 3)
    assert max(seen) <= 16
    assert sum(seen) == regions
