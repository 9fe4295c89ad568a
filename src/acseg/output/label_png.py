"""Label maps as index PNG: written, and read whole or small, whatever their size."""

import io
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from acseg.errors import DataError, ImageError
from acseg.names import safe_text
from acseg.output.atomic import write_atomic
from acseg.output.palette import VOID, palette
from acseg.output.png import PngRows
from acseg.output.sampling import sample_labels

LARGE_LABELS = 50_000_000  # pixels; larger label maps are read row by row
MOST_LABELS = 2**33


def encode_labels(labels: np.ndarray, colours: np.ndarray | None = None) -> bytes:
    """Encode a label map as the bytes of an index PNG.

    Parameters
    ----------
    labels : (H, W) integer
        Labels 0..254; 255 is void.
    colours : (n, 3) uint8, optional
        Colour of each label; default `acseg.output.palette.palette`. Void is black.

    Raises
    ------
    DataError
        If `labels` is not two-dimensional, not integer, or holds a value outside 0..255.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or not (np.issubdtype(labels.dtype, np.integer) or labels.dtype == bool):
        raise DataError(
            f"labels must be a (H, W) integer array, not {labels.dtype} of shape {labels.shape}"
        )
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if low < 0 or high > VOID:
        raise DataError(
            f"labels lie in {low}..{high}, but an index PNG holds 0..254 and 255 for void; "
            "use fewer classes"
        )
    table = palette(VOID)
    if colours is not None:
        given = np.asarray(colours, dtype=np.uint8)[:VOID]
        table = np.concatenate([given, table[len(given) :]])
    table = np.concatenate([table, np.zeros((1, 3), np.uint8)])  # void is black
    indices = np.ascontiguousarray(labels, dtype=np.uint8)
    picture = Image.frombytes("P", (labels.shape[1], labels.shape[0]), indices.tobytes())
    picture.putpalette(table.tobytes())
    stream = io.BytesIO()
    # Runs of one label are what there is to compress: as small as level 6, four times as fast.
    picture.save(stream, format="PNG", compress_level=6, compress_type=zlib.Z_RLE)
    return stream.getvalue()


def write_labels(path: str | Path, labels: np.ndarray, colours: np.ndarray | None = None) -> Path:
    """Write a label map as an index PNG, whole or not at all.

    The same labels and colours give the same bytes. See `encode_labels` for the parameters and
    errors, `read_labels` for the way back.
    """
    return write_atomic(path, encode_labels(labels, colours))


def read_labels(path: str | Path) -> np.ndarray:
    """Read a label map: the indices of a palette PNG, or the values of a grey one.

    Parameters
    ----------
    path : str or Path
        A PNG (or other lossless picture) of mode palette, grey or 16-bit grey.

    Returns
    -------
    (H, W) uint8, or int32 where the file holds more than 8 bits

    Raises
    ------
    ImageError
        If the file cannot be read, or is a colour picture and so holds no labels.
    """
    name = safe_text(path)
    try:
        if not Path(path).is_file() and Path(path).exists():
            raise ImageError(f"{name}: not a regular file")  # a pipe would make a reader wait
        rows = _large_labels(Path(path))
        if rows is not None:
            with suppress(ValueError):  # filtered in a way that Pillow knows
                return rows.read()
        with Image.open(path) as picture:
            picture.load()
            if picture.mode not in ("P", "L", "1", "I", "I;16", "I;16B"):
                raise ImageError(
                    f"{name}: a label map must be an index or grey PNG, not {picture.mode}"
                )
            values = np.asarray(picture)
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(f"{name}: no such file") from None
    except Exception as error:
        raise ImageError(f"{name}: not a label map that can be read ({error})") from error
    return values.astype(np.uint8 if values.dtype.itemsize == 1 else np.int32)


def read_labels_small(path: str | Path, size: tuple[int, int]) -> np.ndarray:
    """Read a label map at another size, the label at the middle of each pixel: (h, w) uint8.

    Of a map of any size a few rows are held at once.

    Parameters
    ----------
    path : str or Path
        As for `read_labels`; same errors.
    size : (int, int)
        Width and height wished for.
    """
    rows = _large_labels(Path(path))
    if rows is not None:
        with suppress(ValueError, OSError):  # reading it as a whole says what is wrong
            return rows.shrunk(size)
    return sample_labels(read_labels(path).astype(np.uint8), size)


def _large_labels(path: Path) -> PngRows | None:
    """Open a label map of more pixels than Pillow takes; None for one that it takes."""
    try:
        rows = PngRows(path)
    except (OSError, ValueError):
        return None  # Pillow says what is wrong, or reads a PNG of another kind
    pixels = rows.height * rows.width
    if pixels > MOST_LABELS:
        raise ImageError(
            f"{safe_text(path)}: {rows.width} x {rows.height} pixels, more than {MOST_LABELS:,}"
        )
    return rows if pixels > LARGE_LABELS else None
