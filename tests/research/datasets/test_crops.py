import numpy as np
import pytest

from research.datasets.crops import CROPS, crop


def picture(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture whose red tells the column, and a mask of three stripes from left to right."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :, 0] = np.linspace(0, 255, width).astype(np.uint8)
    mask = (np.arange(width) * 3 // width)[None].repeat(height, axis=0)
    mask[:, -1] = 255
    return image, mask


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("full", (100, 250)),
        ("stretch-320", (320, 320)),
        ("short-320", (320, 800)),
        ("centre-320", (320, 320)),
    ],
)
def test_sizes(rule, expected):
    image, mask = crop(*picture(100, 250), rule)
    assert image.shape == (*expected, 3)
    assert mask.shape == expected
    assert image.dtype == np.uint8
    assert mask.dtype == np.int64
    assert set(np.unique(mask).tolist()) <= {0, 1, 2, 255}


def test_centre_of_a_wide_picture_leaves_both_sides_out():
    image, mask = crop(*picture(320, 640), "centre-320")
    whole, classes = picture(320, 640)
    np.testing.assert_array_equal(image, whole[:, 160:480])
    np.testing.assert_array_equal(mask, classes[:, 160:480])


def test_tall_pictures_are_cut_at_top_and_bottom():
    image, mask = picture(640, 320)
    image[:, :, 1] = np.arange(640)[:, None] // 4
    assert crop(image, mask, "centre-320")[0][0, 0, 1] == 160 // 4


def test_masks_are_never_mixed_also_beyond_8_bits():
    mask = np.zeros((40, 40), np.int64)
    mask[:, 20:] = 919
    mask[20:] = 65535
    _, small = crop(np.zeros((40, 40, 3), np.uint8), mask, "stretch-320")
    assert np.unique(small).tolist() == [0, 919, 65535]


def test_nearest_keeps_the_colours_that_are_there():
    image, mask = picture(64, 64)
    soft, _ = crop(image, mask, "stretch-320")
    hard, _ = crop(image, mask, "stretch-320", nearest=True)
    assert set(np.unique(hard[:, :, 0])) == set(np.unique(image[:, :, 0]))
    assert len(np.unique(soft[:, :, 0])) > len(np.unique(hard[:, :, 0]))


def test_unknown_rule_is_named():
    with pytest.raises(ValueError, match="'five'"):
        crop(*picture(9, 9), "five")
    assert all(CROPS.values())
