"""Colours of labels: the same for the same label always, apart for colour-blind readers too."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

VOID = 255
"""The label of pixels that belong to nothing; drawn black, or left as the photograph is."""

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


def colour(label: int) -> tuple[int, int, int]:
    """Return the colour of a label, red, green, blue in 0..255; void is black."""
    if label == VOID:
        return (0, 0, 0)
    red, green, blue = _table()[label % VOID].tolist()
    return red, green, blue


def palette(n: int) -> np.ndarray:
    """Return the colours of labels 0..n-1; those of a label do not depend on `n`.

    The first seven are the set of Okabe and Ito. Each further one is, of a fixed grid of colours
    neither very dark nor very light, the one farthest (Oklab) from all before it, where a
    distance is the smallest of those that people of normal and of the three kinds of
    colour-blind vision see. From 255 on the colours repeat.

    Parameters
    ----------
    n : int
        Number of colours, 0 or more.

    Returns
    -------
    (n, 3) uint8
    """
    return _table()[np.arange(n) % VOID].copy()


def colour_table(given: Mapping[int, tuple[int, int, int]]) -> np.ndarray:
    """Colour labels 0..254: as given, else by the palette; no colour given is used once more.

    Returns
    -------
    (255, 3) uint8
    """
    table = palette(VOID)
    taken = set(given.values())
    usual = [(red, green, blue) for red, green, blue in table.tolist()]
    spare = [usual[label] for label in sorted(given) if usual[label] not in taken]
    for label in range(VOID):
        if label in given:
            table[label] = given[label]
        elif usual[label] in taken:
            table[label] = spare.pop(0)
    return table


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


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    """Build the 255 colours, farthest first."""
    steps = np.linspace(16, 255, 12).round()
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    lightness = appearance(grid)[:, 0, 0]
    grid = grid[(lightness > 0.42) & (lightness < 0.92)]
    chosen = [np.array(first, dtype=np.float64) for first in _FIRST]
    places = appearance(grid)  # (m, 4, 3)
    nearest = np.full(len(grid), np.inf)
    for i in range(VOID):
        if i >= len(chosen):
            chosen.append(grid[int(np.argmax(nearest.round(6)))])
        gap = np.linalg.norm(places - appearance(chosen[i][None]), axis=-1).min(axis=1)  # (m,)
        nearest = np.minimum(nearest, gap)
    table = np.stack(chosen).astype(np.uint8)
    table.setflags(write=False)
    return table
