import numpy as np
import pytest

from acseg.output.palette import VOID, colour, palette

# The qualitative set of Okabe and Ito without black, in the order in which the first two, three,
# four ... stay farthest apart for the four kinds of vision below.
_FIRST = ((0, 114, 178), (240, 228, 66), (213, 94, 0), (86, 180, 233), (230, 159, 0),
          (0, 158, 115), (204, 121, 167))  # fmt: skip
# Linear RGB as seen without the long, middle or short cones (Machado et al. 2009, severity 1).
_VISION = (
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
     (-0.003882, -0.048116, 1.051998)),
    ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
     (-0.011820, 0.042940, 0.968881)),
    ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602),
     (0.004733, 0.691367, 0.303900)),
)  # fmt: skip

# Linear RGB -> cone responses -> the even colour space Oklab (Ottosson 2020).
_CONES = np.array([
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
])  # fmt: skip
_OKLAB = np.array([
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
])  # fmt: skip


def appearance(colours: np.ndarray) -> np.ndarray:
    """Place colours in Oklab as seen with normal vision and without each kind of cone.

    Parameters
    ----------
    colours : (n, 3) uint8

    Returns
    -------
    (n, 4, 3) float64
        Oklab coordinates for normal, protanope, deuteranope and tritanope vision.
    """
    share = np.asarray(colours, dtype=np.float64) / 255  # (n, 3)
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.einsum("vij,nj->nvi", np.array(_VISION, dtype=np.float64), linear)  # (n, 4, 3)
    return np.cbrt(np.clip(seen, 0, 1) @ _CONES.T) @ _OKLAB.T


def chosen() -> np.ndarray:
    """Choose the 255 colours, farthest first."""
    steps = np.linspace(16, 255, 12).round()
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    lightness = appearance(grid)[:, 0, 0]
    grid = grid[(lightness > 0.42) & (lightness < 0.92)]
    found = [np.array(first, dtype=np.float64) for first in _FIRST]
    places = appearance(grid)  # (m, 4, 3)
    nearest = np.full(len(grid), np.inf)
    for i in range(VOID):
        if i >= len(found):
            found.append(grid[int(np.argmax(nearest.round(6)))])
        gap = np.linalg.norm(places - appearance(found[i][None]), axis=-1).min(axis=1)  # (m,)
        nearest = np.minimum(nearest, gap)
    table = np.stack(found).astype(np.uint8)
    return table


def test_the_colours_are_those_that_lie_farthest_apart() -> None:
    np.testing.assert_array_equal(palette(VOID), chosen())


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
