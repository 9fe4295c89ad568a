"""TIFF files opened for reading windows: any rectangle of any bands, without the rest of the file.

Tiled and stripped files, compressed or not, bands together or apart, as tifffile decodes them.
"""

import logging
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from acseg.images.bands import UnfitError

CACHE = 2**28  # bytes of decoded segments held: a row of tiles of a picture 20,000 wide
LARGEST = 2**30  # bytes of one tile or strip; a larger one is refused
STRIP = 2**22  # bytes of a piece that is read from an uncompressed file at once
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE = 0, 1, 2, 3  # photometric interpretations
NODATA_TAG = 42113  # GDAL_NODATA
STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""How TIFF and BigTIFF files begin."""


class MissingTifffileError(Exception):
    """The package tifffile is not installed."""


class Tiff:
    """The first page of a TIFF, to be read in windows. Close it, or use it as a context.

    Parameters
    ----------
    source : str, Path or binary file

    Attributes
    ----------
    height, width, bands : int
    dtype : numpy dtype
    nodata : float or None
        Of the GDAL tag.
    orientation : int
        EXIF orientation 1..8; windows are those of the file, not of the upright picture.

    Raises
    ------
    MissingTifffileError
        Without tifffile.
    Exception
        Nearly any, on broken files, from here as from `read`.
    """

    def __init__(self, source: str | Path | BinaryIO) -> None:
        try:
            import tifffile
        except ImportError as error:
            raise MissingTifffileError(str(error)) from None
        logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)  # errors are raised too
        self._file = tifffile.TiffFile(source)
        try:
            page: Any = self._file.pages[0]
            self._page = page
            planes, depth, self.height, self.width, together = page.shaped
            if page.dtype is None or depth != 1 or page.dtype.kind not in "biuf":
                raise UnfitError(f"a TIFF of {page.dtype} and shape {page.shape}, no plain picture")
            self.bands: int = planes * together
            self.dtype = np.dtype(page.dtype)
            self.orientation = int(page.tags.valueof(274, 1))
            self.nodata = _number(page.tags.valueof(NODATA_TAG, None))
            self.photometric = int(page.photometric)
            self._apart = planes > 1
            self._cache: OrderedDict[int, NDArray[Any] | None] = OrderedDict()
            self._held = 0
            self._lay_out()
        except BaseException:
            self._file.close()
            raise

    def _lay_out(self) -> None:
        """Find the size of a segment; an uncompressed file is read in strips of our own."""
        page = self._page
        together = 1 if self._apart else self.bands
        row = self.width * together * self.dtype.itemsize
        self._plain = (
            bool(page.is_final)
            and page.bitspersample == 8 * self.dtype.itemsize
            and not page.is_tiled
        )
        if self._plain:
            self._high, self._wide = max(1, min(self.height, STRIP // row)), self.width
        elif page.is_tiled:
            self._high, self._wide = page.tilelength, page.tilewidth
        else:
            self._high, self._wide = min(page.rowsperstrip, self.height), self.width
        if min(self._high, self._wide) < 1:
            raise ValueError("tiles or strips without area")
        size = self._high * self._wide * together * self.dtype.itemsize
        if size > LARGEST:
            raise UnfitError(
                f"one {'tile' if page.is_tiled else 'strip'} of this TIFF holds {size >> 20} MiB; "
                "save it in tiles of 256 x 256 or so"
            )
        self._down = -(-self.height // self._high)
        self._across = -(-self.width // self._wide)

    def read(
        self, top: int, left: int, height: int, width: int, bands: tuple[int, ...] | None = None
    ) -> NDArray[Any]:
        """Read a window, inside the picture, of the bands given (from 1; default all).

        Returns
        -------
        (height, width, C) of `dtype`
        """
        chosen = bands or tuple(range(1, self.bands + 1))
        out = np.empty((height, width, len(chosen)), self.dtype)
        planes = {p: [i for i, b in enumerate(chosen) if b == p + 1] for p in range(self.bands)}
        if not self._apart:
            planes = {0: list(range(len(chosen)))}
        for plane, slots in planes.items():
            if slots:
                inside = [0] * len(slots) if self._apart else [b - 1 for b in chosen]
                self._fill(out, top, left, plane, slots, inside)
        return out

    def _fill(
        self,
        out: NDArray[Any],
        top: int,
        left: int,
        plane: int,
        slots: list[int],
        inside: list[int],
    ) -> None:
        height, width = out.shape[:2]
        for j in range(top // self._high, -(-(top + height) // self._high)):
            for i in range(left // self._wide, -(-(left + width) // self._wide)):
                segment = self._segment((plane * self._down + j) * self._across + i)
                y, x = j * self._high, i * self._wide
                y0, y1 = max(top, y), min(top + height, y + self._high)
                x0, x1 = max(left, x), min(left + width, x + self._wide)
                place = out[y0 - top : y1 - top, x0 - left : x1 - left]
                if segment is None:  # a sparse file: nothing was written here
                    place[..., slots] = self.nodata or 0
                else:
                    part = segment[y0 - y : y1 - y, x0 - x : x1 - x]
                    place[..., slots] = part[..., inside]

    def _segment(self, index: int) -> NDArray[Any] | None:
        if index in self._cache:
            self._cache.move_to_end(index)
            return self._cache[index]
        found = self._own_strip(index) if self._plain else self._decoded(index)
        self._cache[index] = found
        self._held += 0 if found is None else found.nbytes
        while self._held > CACHE and len(self._cache) > 1:
            _, gone = self._cache.popitem(last=False)
            self._held -= 0 if gone is None else gone.nbytes
        return found

    def _own_strip(self, index: int) -> NDArray[Any]:
        plane, j = divmod(index, self._down)
        together = 1 if self._apart else self.bands
        first = j * self._high
        rows = min(self._high, self.height - first)
        row = self.width * together * self.dtype.itemsize
        handle = self._file.filehandle
        handle.seek(self._page.dataoffsets[0] + (plane * self.height + first) * row)
        data = handle.read(rows * row)
        if len(data) < rows * row:
            raise ValueError("the file ends before the picture does")
        stored = np.frombuffer(data, self.dtype.newbyteorder(self._file.byteorder))
        return stored.reshape(rows, self.width, together).astype(self.dtype, copy=False)

    def _decoded(self, index: int) -> NDArray[Any] | None:
        page, handle = self._page, self._file.filehandle
        if index >= len(page.dataoffsets):
            raise ValueError("the file lacks some of its tiles or strips")
        offset, count = page.dataoffsets[index], page.databytecounts[index]
        if offset == 0 or count == 0:
            return None
        handle.seek(offset)
        data = handle.read(count)
        if len(data) < count:
            raise ValueError("the file ends before the picture does")
        more = {"jpegtables": page.jpegtables} if page.jpegtables is not None else {}
        values, _, _ = page.decode(data, index, **more)
        return None if values is None else values[0]  # (rows, columns, samples)

    @property
    def is_rgb(self) -> bool:
        """Whether `colours` can turn this file into grey or RGB: no inks (CMYK), no Lab."""
        jpegs, ycbcr = (7, 33007, 34892), 6
        decoded = self.photometric == ycbcr and int(self._page.compression) in jpegs
        return decoded or self.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE)

    def colours(self, values: NDArray[Any]) -> NDArray[Any]:
        """Turn all bands of a window into grey or RGB, where the file stores palette or negative.

        Raises
        ------
        UnfitError
            If not `is_rgb`.
        """
        if not self.is_rgb:
            raise UnfitError("a TIFF of inks, Lab or YCbCr; save it as RGB to read it in windows")
        if self.photometric == WHITE_IS_ZERO and values.dtype.kind in "bu":
            top = 1 if values.dtype.kind == "b" else np.iinfo(values.dtype).max
            values = (top - values.astype(np.int64)).astype(values.dtype)
        elif self.photometric == PALETTE and self._page.colormap is not None:
            table = np.asarray(self._page.colormap).T  # (n, 3) uint16
            values = (table[values[..., 0].clip(0, len(table) - 1)] >> 8).astype(np.uint8)
        return values.astype(np.uint8) * 255 if values.dtype == bool else values

    @property
    def has_alpha(self) -> bool:
        """Whether the last band is the opacity of a grey or RGB picture."""
        extra = [int(e) for e in (self._page.extrasamples or ())]
        return self.bands in (2, 4) and len(extra) == 1 and extra[0] in (1, 2)

    def close(self) -> None:
        """Close the file."""
        self._cache.clear()
        self._file.close()

    def __enter__(self) -> "Tiff":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _number(text: Any) -> float | None:
    try:
        return None if text is None else float(str(text).strip("\0 "))
    except ValueError:
        return None
