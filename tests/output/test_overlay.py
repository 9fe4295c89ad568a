import numpy as np
import pytest

from acseg.errors import DataError
from acseg.output.overlay import borders, overlay
from acseg.output.palette import palette


def test_the_tint_is_the_blend_and_void_stays() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)
    labels = rng.integers(0, 4, (12, 10))
    labels[0] = 255
    drawn = np.asarray(overlay(image, labels, strength=0.3, outline=False))
    wanted = palette(4)[labels % 255] * 0.3 + image * 0.7
    wanted[0] = image[0]
    np.testing.assert_allclose(drawn, wanted, atol=1)


def test_strength_0_and_1_and_own_colours() -> None:
    image = np.full((9, 9, 3), 77, np.uint8)
    labels = np.zeros((9, 9), int)
    colours = np.array([[1, 2, 3]], np.uint8)
    bare = overlay(image, labels, colours, strength=0, outline=False)
    np.testing.assert_array_equal(np.asarray(bare), image)
    full = np.asarray(overlay(image, labels, colours, strength=1))
    assert (full == [1, 2, 3]).all()


def test_outlines_are_in_the_full_colour_on_both_sides() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    labels = np.zeros((20, 20), np.uint8)
    labels[:, 10:] = 1
    labels[15:] = 255
    drawn = np.asarray(overlay(image, labels))
    assert drawn[5, 9].tolist() == palette(2)[0].tolist()
    assert drawn[5, 10].tolist() == palette(2)[1].tolist()
    assert drawn[5, 8].tolist() != palette(2)[0].tolist()
    assert drawn[15, 5].tolist() == [0, 0, 0]


@pytest.mark.parametrize("width", [1, 2, 3])
def test_borders_against_a_plain_search(width: int) -> None:
    labels = np.random.default_rng(width).integers(0, 3, (7, 9)).repeat(3, 0).repeat(3, 1)
    wanted = np.zeros(labels.shape, bool)
    for y, x in np.ndindex(*labels.shape):
        for step in range(-width, width + 1):
            for v, u in ((y + step, x), (y, x + step)):
                if 0 <= v < labels.shape[0] and 0 <= u < labels.shape[1]:
                    wanted[y, x] |= labels[v, u] != labels[y, x]
    np.testing.assert_array_equal(borders(labels, width), wanted)


def test_errors() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    with pytest.raises(DataError, match="6 x 4 pixels, the labels are 4 x 6"):
        overlay(image, np.zeros((6, 4), int))
    with pytest.raises(ValueError, match=r"0\.\.1, not 2"):
        overlay(image, np.zeros((4, 6), int), strength=2)
