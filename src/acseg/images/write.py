"""Writing files whole or not at all; label maps as index PNG."""

import hashlib
import io
import os
import re
import secrets
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from PIL import Image

from acseg.errors import DataError, ImageError
from acseg.images.colours import VOID, palette
from acseg.images.names import safe_text
from acseg.images.png import PngRows
from acseg.images.sampling import sample_labels
from acseg.images.walk import Source

PARTIAL = re.compile(r"\.[0-9a-f]{16}\.part")  # the temporary files of `atomic_file`


@contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name when the block ends well, and else is gone.

    It is written to a temporary file in the same folder, which then takes the name. Folders that
    are missing are made. Whatever stood under the name before stays until the new file is whole.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        with partial.open("wb") as file:
            yield file
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


LARGE_LABELS = 50_000_000  # pixels; larger label maps are read row by row
MOST_LABELS = 2**33
LONGEST_NAME = 250  # bytes of a file's name; most disks take 255


def write_atomic(path: str | Path, data: bytes | str) -> Path:
    """Write a file so that it is there whole or not at all; see `atomic_file`.

    Parameters
    ----------
    path : str or Path
        The file to write.
    data : bytes or str
        What to write; text as UTF-8.

    Returns
    -------
    Path
        `path`.
    """
    with atomic_file(path) as file:
        file.write(data.encode("utf-8") if isinstance(data, str) else data)
    return Path(path)


def remove_partials(folder: Path, *, deep: bool = False) -> None:
    """Remove the temporary files that a killed process left in a folder, and below it if `deep`.

    Only where nothing else writes at the moment: hold the lock of the folder.
    """
    for here, below, files in os.walk(folder):
        for name in files:
            if PARTIAL.fullmatch(name):
                Path(here, name).unlink(missing_ok=True)
        if not deep:
            below.clear()


def label_name(sources: Iterable[Source | str]) -> dict[str, str]:
    """Name the label map of each source.

    The suffix is replaced by ``.png``; where two sources would meet, both keep their full name
    (``a.jpg`` and ``a.tif`` become ``a.jpg.png`` and ``a.tif.png``). Names too long for a disk
    are cut, and end with a digest.

    Parameters
    ----------
    sources : iterable of Source or str
        All sources of a collection, or their relative names.

    Returns
    -------
    dict
        From relative name to the label map's path below ``labels/``.
    """
    relatives = [item if isinstance(item, str) else item.relative for item in sources]
    names = {name: str(PurePosixPath(name).with_suffix(".png")) for name in relatives}
    while True:
        counts = Counter(names.values())
        meeting = [
            name for name in names if counts[names[name]] > 1 and names[name] != name + ".png"
        ]
        if not meeting:
            return {name: _bounded(found) for name, found in names.items()}
        for name in meeting:
            names[name] = name + ".png"


def _bounded(name: str) -> str:
    """Shorten the parts of a path that no file system would take; others stay as they are.

    A name may have 255 bytes on disk, and `safe_text` writes some bytes with three characters.
    What is cut off is replaced by a digest of the part, so that names stay different.
    """
    parts = []
    for part in PurePosixPath(name).parts:
        raw = part.encode("utf-8", "surrogatepass")
        if len(raw) > LONGEST_NAME:
            ending = PurePosixPath(part).suffix[-8:]
            digest = "~" + hashlib.sha256(raw).hexdigest()[:16] + ending
            part = raw[: LONGEST_NAME - len(digest)].decode("utf-8", "ignore") + digest
        parts.append(part)
    return "/".join(parts)


def overlay_of(labels: str) -> str:
    """Name the overlay of a label map: ``overlays/sub/a.jpg`` for ``labels/sub/a.png``."""
    return "overlays/" + labels.removeprefix("labels/").removesuffix(".png") + ".jpg"


def encode_labels(labels: np.ndarray, colours: np.ndarray | None = None) -> bytes:
    """Encode a label map as the bytes of an index PNG.

    Parameters
    ----------
    labels : (H, W) integer
        Labels 0..254; 255 is void.
    colours : (n, 3) uint8, optional
        Colour of each label; default `acseg.images.colours.palette`. Void is black.

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
            raise ImageError(f"{name}: not a regular file")
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
