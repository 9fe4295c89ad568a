"""Where the tiles of a picture lie: on one grid of cells, so that what they see can be blended."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OVERLAP = 0.25  # share of a tile's side that it has in common with the next


@dataclass(frozen=True)
class Tile:
    """One tile: its first cell (row, column), and its window (top, left, height, width) in px."""

    row: int
    column: int
    window: tuple[int, int, int, int]


@dataclass(frozen=True)
class Layout:
    """Tiles that overlap, on one grid of cells over the whole picture.

    A cell is what the backbone makes one pixel of (a token). The grid is that of the whole
    picture, and every tile begins at a cell, so cells of neighbouring tiles are the same places.

    Parameters
    ----------
    height, width : int
        Of the picture in px.
    rows, columns : int
        Cells of the whole picture.
    high, wide : int
        Cells of a tile.
    overlap : int
        Cells that a tile has in common with the next, at least.
    """

    height: int
    width: int
    rows: int
    columns: int
    high: int
    wide: int
    overlap: int

    @property
    def tops(self) -> list[int]:
        """First rows of the tiles, in cells."""
        return starts(self.rows, self.high, self.overlap)

    @property
    def lefts(self) -> list[int]:
        """First columns of the tiles, in cells."""
        return starts(self.columns, self.wide, self.overlap)

    def tiles(self) -> Iterator[Tile]:
        """Give the tiles, row by row."""
        for row in self.tops:
            for column in self.lefts:
                yield Tile(row, column, self.window(row, column))

    def window(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Give the px (top, left, height, width) of the tile that begins at a cell."""
        top, left = row * self.height // self.rows, column * self.width // self.columns
        bottom = -(-(row + self.high) * self.height // self.rows)
        right = -(-(column + self.wide) * self.width // self.columns)
        return top, left, bottom - top, right - left


def lay_tiles(
    height: int, width: int, *, tile: int, cells: int, multiple: int = 1, overlap: float = OVERLAP
) -> Layout:
    """Lay tiles over a picture.

    Parameters
    ----------
    height, width : int
        Of the picture in px.
    tile : int
        Side of a tile in px, about: a cell is stretched a little so that a whole number of cells
        covers the picture.
    cells : int
        Cells on the side of a tile.
    multiple : int
        What the number of cells of the picture shall be a multiple of in both directions (a
        backbone whose patches overlap takes only whole patches).
    overlap : float
        Share of a tile's side in common with the next, 0 to 0.5; 0.25 leaves no seam.

    Raises
    ------
    ValueError
        If a size is below 1 or the overlap outside 0..0.5.
    """
    if min(height, width, tile, cells, multiple) < 1 or not 0 <= overlap <= 0.5:
        raise ValueError(
            "expected sizes of at least 1 and an overlap of 0 to 0.5, not "
            f"{(height, width, tile, cells, multiple, overlap)}"
        )
    rows, columns = (
        max(1, round(length * cells / (tile * multiple))) * multiple for length in (height, width)
    )
    high, wide = min(cells, rows), min(cells, columns)
    return Layout(height, width, rows, columns, high, wide, round(overlap * cells))


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Place tiles along a line of `length` cells; the last is moved back to end with the line."""
    step = max(1, tile - overlap)
    places = list(range(0, length - tile, step))
    return [*places, length - tile]


def ramp(tile: int, overlap: int) -> NDArray[np.float32]:
    """Weigh the cells of a tile along one side, (tile,): 1 inside, falling over the overlap.

    With t from 0 at the border to 1 where the overlap ends, the weight is ``t^2 (3 - 2 t)``: it
    begins and ends level, and two neighbours sum to 1. It is never 0, so that a picture's border
    has a weight too.
    """
    place = np.arange(tile, dtype=np.float32) + 0.5
    t = np.minimum(np.minimum(place, tile - place) / max(1, overlap), 1.0)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def total_weight(length: int, tile: int, overlap: int) -> NDArray[np.float32]:
    """Sum the weights of all tiles at each cell of a line, (length,)."""
    total = np.zeros(length, np.float32)
    for first in starts(length, tile, overlap):
        total[first : first + tile] += ramp(tile, overlap)
    return total
