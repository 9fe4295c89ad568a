"""Index PNGs of any size, written and read row by row."""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from acseg.output.atomic import AtomicFile
from acseg.output.sampling import middles

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNK = 2**20  # bytes of a chunk of image data
NONE, SUB, UP = 0, 1, 2  # filters of a row


class PngWriter:
    """Write a label map as an index PNG, a band of rows at a time; whole or not at all.

    As a context: the file takes its name at the end, if all rows were given and nothing failed.

    Parameters
    ----------
    path : Path
    height, width : int
        In px, up to 2**31 - 1.
    colours : (256, 3) uint8
        Colour of each label.
    """

    def __init__(self, path: Path, height: int, width: int, colours: NDArray[np.uint8]) -> None:
        self._height = height
        self._file = AtomicFile(path)
        self._deflate = zlib.compressobj(6, strategy=zlib.Z_RLE)  # runs of one label
        self._waiting = bytearray()
        self._last = np.zeros(width, np.uint8)
        self._rows = 0
        self._file.write(SIGNATURE)
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        self._chunk(b"PLTE", np.ascontiguousarray(colours, np.uint8).tobytes())

    def write(self, labels: NDArray[np.uint8]) -> None:
        """Write the next rows, (rows, width) uint8."""
        above = np.concatenate([self._last[None], labels[:-1]])
        rows = np.empty((len(labels), labels.shape[1] + 1), np.uint8)
        rows[:, 0] = UP
        rows[:, 1:] = labels - above  # modulo 256
        self._waiting += self._deflate.compress(rows.tobytes())
        if len(self._waiting) >= CHUNK:
            self._flush()
        self._last = labels[-1].copy()
        self._rows += len(labels)

    def _flush(self) -> None:
        self._chunk(b"IDAT", bytes(self._waiting))
        self._waiting.clear()

    def _chunk(self, name: bytes, data: bytes) -> None:
        check = struct.pack(">I", zlib.crc32(name + data))
        self._file.write(struct.pack(">I", len(data)) + name + data + check)

    def __enter__(self) -> "PngWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                if self._rows != self._height:
                    raise ValueError(f"{self._rows} of {self._height} rows were written")
                self._waiting += self._deflate.flush()
                self._flush()
                self._chunk(b"IEND", b"")
                self._file.keep()
        finally:
            self._file.discard()


class PngRows:
    """An index or grey PNG of 8 bits, to be read in bands of rows.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    height, width : int

    Raises
    ------
    ValueError
        If it is no such PNG: other depths, interlaced, or rows filtered with Average or Paeth,
        which label maps do not use.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():  # a pipe would make a reader wait
            raise ValueError("no regular file")
        with path.open("rb") as file:
            head = file.read(33)
        if len(head) < 33 or not head.startswith(SIGNATURE) or head[12:16] != b"IHDR":
            raise ValueError("no PNG")
        self.width, self.height, *kind = struct.unpack(">IIBBBBB", head[16:29])
        if kind not in ([8, 3, 0, 0, 0], [8, 0, 0, 0, 0]) or min(self.width, self.height) < 1:
            raise ValueError("no index or grey PNG of 8 bits")

    def bands(self, rows: int = 256) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Read the picture: first row, and the next (rows, width) uint8.

        Raises
        ------
        ValueError
            If the file is broken, ends early, or has rows of another filter.
        """
        each = self.width + 1
        last = np.zeros(self.width, np.uint8)
        inflate, waiting, top = zlib.decompressobj(), bytearray(), 0
        with self._path.open("rb") as file:
            file.seek(len(SIGNATURE))
            for data in _image_data(file):
                rest = data
                while rest and top < self.height:
                    waiting += _inflated(inflate, rest, rows * each)
                    rest = inflate.unconsumed_tail
                    while top < self.height:
                        wanted = min(rows, self.height - top)
                        if len(waiting) < wanted * each:
                            break
                        raw = np.frombuffer(bytes(waiting[: wanted * each]), np.uint8)
                        del waiting[: wanted * each]
                        band = _unfiltered(raw.reshape(wanted, each), last)
                        last = band[-1].copy()
                        yield top, band
                        top += wanted
        if top < self.height:
            raise ValueError("the PNG ends before the picture does")

    def read(self) -> NDArray[np.uint8]:
        """Read the whole picture, (height, width) uint8."""
        out = np.empty((self.height, self.width), np.uint8)
        for top, band in self.bands():
            out[top : top + len(band)] = band
        return out

    def shrunk(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Read the label at the middle of each pixel of a map of `size` (width, height)."""
        lines, columns = middles(self.height, size[1]), middles(self.width, size[0])
        out = np.empty((size[1], size[0]), np.uint8)
        for top, band in self.bands():
            here = (lines >= top) & (lines < top + len(band))
            out[here] = band[np.ix_(lines[here] - top, columns)]
        return out


def _image_data(file: BinaryIO) -> Iterator[bytes]:
    """Give the content of the chunks of image data, in pieces."""
    while True:
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        (length,) = struct.unpack(">I", head[:4])
        if head[4:] != b"IDAT":
            file.seek(length + 4, os.SEEK_CUR)
            continue
        while length:
            data = file.read(min(length, CHUNK))
            if not data:
                return
            length -= len(data)
            yield data
        file.seek(4, os.SEEK_CUR)


def _inflated(inflate: Any, data: bytes, most: int) -> bytes:
    try:
        found: bytes = inflate.decompress(data, most)
    except zlib.error as error:
        raise ValueError(f"broken image data ({error})") from error
    return found


def _unfiltered(rows: NDArray[np.uint8], last: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Undo the filters of rows (n, 1 + width), `last` being the row before them."""
    kinds, values = rows[:, 0], rows[:, 1:]
    if (kinds > UP).any():
        raise ValueError("rows are filtered in a way that label maps do not use")
    out = np.empty(values.shape, np.uint8)
    if (kinds == UP).all():
        np.cumsum(values, axis=0, dtype=np.uint8, out=out)
        return out + last
    for i, kind in enumerate(kinds):
        if kind == SUB:
            np.cumsum(values[i], dtype=np.uint8, out=out[i])
        else:
            out[i] = values[i] + (last if kind == UP else np.uint8(0))
        last = out[i]
    return out
