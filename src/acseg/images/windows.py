"""Pictures opened for reading windows: any rectangle as (h, w, 3) uint8 RGB, upright.

A TIFF is read window by window, however large it is. Any other picture is decoded once and kept,
so it has to fit `acseg.images.faults.MAX_PIXELS`.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from acseg.errors import ImageError
from acseg.images.bands import PLAIN, Limits, Measure, Reading, shown_bands, to_bytes
from acseg.images.faults import explain
from acseg.images.tiff import PALETTE, RGB, STARTS, Tiff

PIECE = 2**22  # pixels that are turned into RGB at once


class Windows(Protocol):
    """A picture that gives its windows."""

    height: int
    width: int

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """Read a window inside the picture: (height, width, 3) uint8."""

    def close(self) -> None:
        """Close the file."""


class ArrayWindows:
    """Windows of a picture (H, W, 3) uint8 that is in memory."""

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self._image = image
        self.height, self.width = image.shape[:2]

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """Cut a window out."""
        return self._image[top : top + height, left : left + width]

    def close(self) -> None:
        """Do nothing."""


class TiffWindows:
    """Windows of a TIFF in RGB.

    What becomes of bands and values is in `acseg.images.bands.Reading`. Where the reading is
    plain, 8-bit colour stays as it is, of 16-bit colour the upper 8 bits are taken, a palette is
    looked up, and an alpha band is laid over white.

    Parameters
    ----------
    source : str, Path or binary file
    reading : Reading
    """

    def __init__(self, source: str | Path | BinaryIO, reading: Reading = PLAIN) -> None:
        self.tiff = Tiff(source)
        self.height, self.width = self.tiff.height, self.tiff.width
        self._path = Path(source) if isinstance(source, str | Path) else None
        self._reading = reading
        self._limits: Limits | None = None
        try:
            self._bands = shown_bands(self.tiff.bands, reading)
        except ValueError:
            self.tiff.close()
            raise

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """Read a window: (height, width, 3) uint8."""
        out = np.empty((height, width, 3), np.uint8)
        for first, rows in pieces(height, width):
            part = self._read(top + first, left, rows, width)
            out[first : first + rows] = part  # one band is repeated
        return out

    def _read(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        if self._photographic:
            return self._photograph(self.tiff.read(top, left, height, width))
        values = self.tiff.read(top, left, height, width, self._bands)
        if values.dtype == np.uint8 and self._reading.stretch is None:
            return values
        return to_bytes(values, self.limits(), self.tiff.nodata)

    @property
    def _photographic(self) -> bool:
        """Whether this is read as a photograph, and not as measurements."""
        tiff = self.tiff
        eight = tiff.dtype in (np.uint8, np.bool_) or tiff.photometric == PALETTE
        colour = tiff.dtype == np.uint16 and tiff.photometric == RGB
        return self._reading.plain and tiff.bands <= 4 and (eight or colour)

    def _photograph(self, values: NDArray) -> NDArray[np.uint8]:
        alpha = values[..., -1:] if self.tiff.has_alpha else None
        values = self.tiff.colours(values)
        values = values[..., :3] if values.shape[2] >= 3 else values[..., :1]
        if values.dtype == np.uint16:
            values = values >> 8
            alpha = None if alpha is None else alpha >> 8
        if alpha is None:
            return values.astype(np.uint8)
        over = values.astype(np.uint16) * alpha + 255 * (255 - alpha.astype(np.uint16)) + 127
        return (over // 255).astype(np.uint8)

    def limits(self) -> Limits:
        """Find what becomes 0 and 255, by one pass over the file."""
        if self._limits is None and self._path is not None:
            now = self._path.stat()
            self._limits = _limits(self._path, now.st_size, now.st_mtime_ns, self._reading)
        elif self._limits is None:
            self._limits = _measure(self.tiff, self._bands, self._reading)
        return self._limits

    def close(self) -> None:
        """Close the file."""
        self.tiff.close()


class NamedWindows:
    """Windows whose errors name the picture."""

    def __init__(self, windows: Windows, name: str) -> None:
        self._windows, self._name = windows, name
        self.height, self.width = windows.height, windows.width

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
        """Read a window; ImageError, with name and reason, where the file is broken there."""
        try:
            return self._windows.read(top, left, height, width)
        except Exception as error:  # decoders raise nearly everything on broken data
            raise ImageError(f"{self._name}: {explain(error)}") from error

    def close(self) -> None:
        """Close the file."""
        self._windows.close()


@lru_cache(maxsize=64)
def _limits(path: Path, size: int, changed: int, reading: Reading) -> Limits:
    with Tiff(path) as tiff:
        return _measure(tiff, shown_bands(tiff.bands, reading), reading)


def _measure(tiff: Tiff, bands: tuple[int, ...], reading: Reading) -> Limits:
    measure = Measure(tiff.height * tiff.width, reading.stretch, tiff.nodata)
    for top, rows in pieces(tiff.height, tiff.width):
        measure.add(tiff.read(top, 0, rows, tiff.width, bands), top=top)
    return measure.limits()


def pieces(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Cut rows into bands of at most `PIECE` pixels: (first row, number of rows)."""
    rows = max(1, PIECE // max(1, width))
    for top in range(0, height, rows):
        yield top, min(rows, height - top)


def starts_as_tiff(path: Path) -> bool:
    """Whether a regular file begins as a TIFF does."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) in STARTS


def overview(windows: Windows, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Make a picture small by averaging, without ever holding it: size (h, w) -> (h, w, 3)."""
    height, width = size
    out = np.empty((height, width, 3), np.uint8)
    rows = max(1, min(height, PIECE * height // max(1, windows.height * windows.width)))
    for first in range(0, height, rows):
        last = min(first + rows, height)
        top, bottom = first * windows.height // height, -(-last * windows.height // height)
        part = Image.fromarray(windows.read(top, 0, bottom - top, windows.width))
        box = (
            *(0, first * windows.height / height - top),
            *(windows.width, last * windows.height / height - top),
        )
        small = part.resize((width, last - first), Image.Resampling.BOX, box=box)
        out[first:last] = np.asarray(small)
    return out
