import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.classes.crops import crop_masks, crop_regions, whole_boxes


def triangle(length: int, side: int) -> np.ndarray:
    """The antialiased bilinear filter as a matrix (side, length), written out."""
    scale = length / side
    reach = max(scale, 1.0)
    weights = np.zeros((side, length))
    for row in range(side):
        for column in range(length):
            distance = abs(column + 0.5 - (row + 0.5) * scale)
            weights[row, column] = max(0.0, 1 - distance / reach)
    return weights / weights.sum(axis=1, keepdims=True)


@settings(deadline=None, max_examples=40)
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    side=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_crop_is_the_triangle_filter_on_the_slice(height, width, side, seed):
    rng = np.random.default_rng(seed)
    image = rng.random((3, height, width))
    left, top = rng.integers(0, width), rng.integers(0, height)
    right, bottom = rng.integers(left + 1, width + 1), rng.integers(top + 1, height + 1)
    boxes = torch.tensor([[left, top, right, bottom]])
    crop = crop_regions(torch.from_numpy(image).float(), boxes, side)
    part = image[:, top:bottom, left:right]
    plain = triangle(bottom - top, side) @ part @ triangle(right - left, side).T
    assert crop.shape == (1, 3, side, side)
    assert crop.dtype == torch.float32
    np.testing.assert_allclose(crop[0].numpy(), plain, atol=1e-4)


def test_boxes_of_several_images_and_strides():
    images = torch.rand(3, 12, 16, 3).permute(0, 3, 1, 2)  # channels last in memory
    boxes = torch.tensor([[0, 0, 16, 12], [2.0, 3, 7, 9], [2, 3, 7, 9]])
    source = torch.tensor([2, 0, 1])
    together = crop_regions(images, boxes, 6, source=source)
    for row in range(3):
        alone = crop_regions(images[source[row]].contiguous(), boxes[row : row + 1], 6)
        torch.testing.assert_close(together[row], alone[0])
    assert not torch.allclose(together[1], together[2])


def test_fractions_widen_to_whole_pixels():
    boxes = torch.tensor([[0.5, 1.2, 3.1, 3.999], [1.000001, 0, 2.999999, 2.000001]])
    assert whole_boxes(boxes, (4, 5)).tolist() == [[0, 1, 4, 4], [1, 0, 3, 2]]


def test_mask_blackens_the_outside_only():
    image = torch.ones(3, 8, 8)
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, :, :2] = True  # the left half, at half the resolution
    crop = crop_regions(image, torch.tensor([[0, 0, 8, 8]]), 4, masks=mask)
    assert crop[0, :, :, :2].eq(1).all()
    assert crop[0, :, :, 2:].eq(0).all()


def test_crop_of_a_mask_follows_the_box():
    labels = torch.arange(16).view(1, 4, 4)
    found = crop_masks(labels, torch.tensor([[8, 0, 16, 8]]), (16, 16), 2)  # right upper quarter
    assert found[0].tolist() == [[2, 3], [6, 7]]


def test_no_boxes_give_no_crops():
    assert crop_regions(torch.rand(3, 8, 8), torch.zeros(0, 4), 4).shape == (0, 3, 4, 4)


@pytest.mark.parametrize(
    "box", [[-1, 0, 4, 4], [0, 0, 9, 4], [0, 0, 4, 9], [2, 2, 2, 4], [3, 3, 2, 4]]
)
def test_empty_and_outside_boxes_are_named(box):
    with pytest.raises(ValueError, match="inside a picture of 8 x 8"):
        crop_regions(torch.rand(3, 8, 8), torch.tensor([box]), 4)


def test_shapes_are_checked():
    image, box = torch.rand(2, 3, 8, 8), torch.tensor([[0, 0, 4, 4]])
    with pytest.raises(ValueError, match="source"):
        crop_regions(image, box, 4)
    with pytest.raises(ValueError, match="source"):
        crop_regions(image, box, 4, source=torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="boxes"):
        crop_regions(image, box[0], 4, source=torch.tensor([0]))
    with pytest.raises(ValueError, match="side"):
        crop_regions(image[0], box, 0)
    with pytest.raises(ValueError, match="masks"):
        crop_regions(image[0], box, 4, masks=torch.ones(2, 8, 8))
