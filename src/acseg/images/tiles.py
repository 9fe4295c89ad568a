"""Which pictures are read in tiles, and the tiles as sources of their own, for `fit`."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from acseg.images.bands import PLAIN, Reading
from acseg.images.open_windows import open_windows
from acseg.images.read import read_image
from acseg.images.tiff import Tiff
from acseg.images.walk import Source
from acseg.images.windows import Windows, starts_as_tiff

LARGE = 25_000_000
"""With "auto", pictures of more pixels than this are read in tiles."""

DETAIL = 4
"""With "auto", a tile is this many times the side that the backbone sees."""

_open = threading.local()  # the windows that each thread read last


def tile_side(tile: int | str, side: int) -> int:
    """Say how many px of a picture a tile is long, for a backbone that sees `side` px."""
    return DETAIL * side if tile == "auto" else int(tile)


def is_tiled(size: tuple[int, int] | None, tile: int | str | None, side: int) -> bool:
    """Say whether a picture of this (height, width) is read in tiles.

    Parameters
    ----------
    size : (int, int) or None
        None where it is not known: then no.
    tile : int, "auto" or None
        As in `acseg.model.settings.Settings`.
    side : int
        Short side in px that the backbone sees.
    """
    if size is None or tile is None or max(size) <= tile_side(tile, side):
        return False
    return tile != "auto" or size[0] * size[1] > LARGE


def picture_size(path: Path) -> tuple[int, int] | None:
    """Read (height, width) from the head of a file; None where it is no picture."""
    try:
        if not path.is_file():
            return None
        if starts_as_tiff(path):
            with Tiff(path) as tiff:
                return tiff.height, tiff.width
        with Image.open(path) as picture:
            return picture.height, picture.width
    except Exception:  # noqa: BLE001 - reading it as a picture says what is wrong with it
        return None


def cut_sources(sources: Iterable[Source], tile: int | str | None, side: int) -> Iterator[Source]:
    """Give each picture, and in the place of one that is read in tiles its tiles.

    The tiles lie side by side; the last of a row or column is moved back into the picture. A tile
    is called after its place: ``map.tif#640,0,640,640`` (left, top, width, height).

    Parameters
    ----------
    sources : iterable of Source
    tile, side
        As in `is_tiled`.
    """
    for source in sources:
        size = None if tile is None else picture_size(source.path)
        if size is None or tile is None or not is_tiled(size, tile, side):
            yield source
            continue
        height, width = size
        long = tile_side(tile, side)
        for top in _starts(height, long):
            for left in _starts(width, long):
                window = (top, left, min(long, height), min(long, width))
                place = f"{left},{top},{window[3]},{window[2]}"
                yield replace(source, relative=f"{source.relative}#{place}", window=window)


def _starts(length: int, tile: int) -> list[int]:
    return [min(start, max(0, length - tile)) for start in range(0, length, tile)]


def read_source(source: Source, reading: Reading = PLAIN) -> np.ndarray:
    """Read a picture, or the tile of a picture: (H, W, 3) uint8.

    Raises
    ------
    ImageError
        As `acseg.images.read.read_image`.
    """
    if source.window is None:
        return read_image(source.path, name=source.relative, reading=reading)
    return np.array(_opened(source, reading).read(*source.window))


def _opened(source: Source, reading: Reading) -> Windows:
    """Open a picture for windows, or take the one that this thread has open."""
    key = (source.path, reading)
    if getattr(_open, "key", None) != key:
        if getattr(_open, "windows", None) is not None:
            _open.windows.close()
        _open.key, _open.windows = None, None
        _open.windows = open_windows(source.path, reading=reading, name=source.relative)
        _open.key = key
    windows: Windows = _open.windows
    return windows
