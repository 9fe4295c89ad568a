import numpy as np
import pytest

from acseg.output.palette import VOID, appearance, colour, palette


def test_a_label_keeps_its_colour_whatever_the_number() -> None:
    for n in (0, 1, 5, 100, 255):
        np.testing.assert_array_equal(palette(n), palette(255)[:n])
    assert palette(5).dtype == np.uint8
    assert tuple(palette(9)[8].tolist()) == colour(8)
    assert colour(VOID) == (0, 0, 0)


def test_all_255_colours_differ_and_then_repeat() -> None:
    assert len(np.unique(palette(255), axis=0)) == 255
    np.testing.assert_array_equal(palette(300)[255:], palette(45))


def test_a_palette_may_be_changed_without_harm() -> None:
    palette(3)[:] = 0
    assert palette(3).max() > 0


@pytest.mark.parametrize(("n", "apart"), [(7, 0.075), (16, 0.07), (27, 0.05)])
def test_colours_lie_apart_for_every_kind_of_vision(n: int, apart: float) -> None:
    places = appearance(palette(n))  # (n, 4, 3)
    gaps = np.linalg.norm(places[:, None] - places[None], axis=-1)
    for vision in range(4):
        pairs = gaps[..., vision][np.triu_indices(n, 1)]
        assert pairs.min() > apart


def test_appearance_of_known_colours() -> None:
    white, red = appearance(np.array([[255, 255, 255], [255, 0, 0]], np.uint8))[:, 0]
    np.testing.assert_allclose(white, [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(red, [0.628, 0.225, 0.126], atol=1e-3)


def test_colour_blind_vision_keeps_greys() -> None:
    grey = appearance(np.array([[128, 128, 128]], np.uint8))[0]
    np.testing.assert_allclose(grey, np.repeat(grey[:1], 4, axis=0), atol=1e-3)
