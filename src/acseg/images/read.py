"""Reading whatever pictures people have into one form: (H, W, 3) uint8, upright, RGB."""

import io
import warnings
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from acseg.errors import ImageError
from acseg.images import faults
from acseg.images.bands import PLAIN, Measure, Reading, UnfitError, shown_bands, to_bytes
from acseg.images.faults import (
    MIN_SIDE,
    RefusedError,
    TooLargeError,
    check_size,
    explain,
)
from acseg.images.tiff import NODATA_TAG, STARTS, MissingTifffileError
from acseg.images.windows import TiffWindows, overview
from acseg.names import safe_text

_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "JPEG2000", "AVIF")
# Of large pictures and odd tags, both of which are seen to here. For good, and not around each
# picture: Python's `catch_warnings` may not be used in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

_ORIENTATION = 0x0112  # the EXIF tag


def read_image(
    source: str | Path | bytes | Image.Image | np.ndarray,
    *,
    name: str | None = None,
    short_side: int | None = None,
    reading: Reading = PLAIN,
) -> np.ndarray:
    """Read a picture into an upright RGB array.

    ============================  =============================================================
    what is read                  what becomes of it
    ============================  =============================================================
    EXIF orientation              turned upright; the tag is not needed afterwards
    grey, palette, CMYK, YCbCr    converted to RGB; CMYK in Adobe's (inverted) convention
    alpha, transparent colour     laid over white
    16-bit colour (PNG, TIFF)     the upper 8 bits
    16-bit grey, 32-bit, float    stretched: the smallest finite value of the picture becomes 0,
                                  the largest 255; NaN, infinities and GDAL's "no data" become 0
    several frames or pages       the first
    TIFF that Pillow cannot read  by tifffile, where it is installed (``acseg[tiff]``); of more
                                  than four bands the first three are red, green and blue
    array (H, W), (H, W, 1)       grey
    array (H, W, 3), (H, W, 4)    RGB, RGB with alpha (laid over white)
    array uint8, uint16, bool     full range 0..255, 0..65535, False..True
    array float                   0..1
    ============================  =============================================================

    Colour profiles are not applied.

    Parameters
    ----------
    source : str, Path, bytes, PIL image or array
        A file, the content of a file, or a picture in memory.
    name : str, optional
        What to call the picture in errors; default the path.
    short_side : int, optional
        If given, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, with the short side no
        shorter than this, and a TIFF of any size is read in bands and averaged. Much faster for
        thumbnails.
    reading : Reading, optional
        Which bands to show, and how to stretch their values. With bands or a stretch an alpha band
        is a band like any other.

    Returns
    -------
    (H, W, 3) uint8, contiguous, not shared with `source`

    Raises
    ------
    ImageError
        With the name and the reason, if the file is missing, empty, truncated, broken or no
        picture, or if a side is below `MIN_SIDE` or the area above `MAX_PIXELS`.
    """
    called = name or _called(source)
    try:
        if isinstance(source, np.ndarray):
            return _finish(_from_array(source, reading))
        if isinstance(source, Image.Image):
            check_size(*source.size)
            return _finish(_pixels(source, reading))
        return _finish(_from_file(source, short_side, reading))
    except Exception as error:  # decoders raise nearly everything on broken data
        raise ImageError(f"{called}: {explain(error)}") from error


def _called(source: object) -> str:
    if isinstance(source, str | Path):
        return safe_text(source)
    if isinstance(source, bytes):
        return "the bytes given"
    if isinstance(source, Image.Image):
        return safe_text(getattr(source, "filename", "") or "the picture given")
    return "the array given" if isinstance(source, np.ndarray) else type(source).__name__


@lru_cache(maxsize=1)
def _formats() -> list[str]:
    """The formats that are tried: only decoders of photographs, none that runs a program."""
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _from_file(source: str | Path | bytes, short_side: int | None, reading: Reading) -> np.ndarray:
    if isinstance(source, bytes):
        return _from_stream(io.BytesIO(source), short_side, reading)
    if not isinstance(source, str | Path):
        raise RefusedError("a path, bytes, a PIL image or an array is needed")
    path = Path(source)
    if path.is_dir():
        raise RefusedError("a folder, not a picture")
    if path.exists() and not path.is_file():
        raise RefusedError("not a regular file")
    with path.open("rb") as stream:
        return _from_stream(stream, short_side, reading)


def _from_stream(stream: BinaryIO, short_side: int | None, reading: Reading) -> np.ndarray:
    start = stream.read(4)
    stream.seek(0)
    if not start:
        raise RefusedError("the file is empty")
    if start in STARTS and not reading.plain:
        return _from_tiff(stream, None, short_side, reading)
    try:
        return _decode(stream, short_side, reading)
    except MemoryError:
        raise
    except Exception as error:
        large = isinstance(error, TooLargeError | Image.DecompressionBombError)
        if start in STARTS and (large or not isinstance(error, RefusedError | UnfitError)):
            stream.seek(0)
            return _from_tiff(stream, error, short_side, reading)
        raise


def _decode(stream: BinaryIO, short_side: int | None, reading: Reading) -> np.ndarray:
    with Image.open(stream, formats=_formats()) as picture:
        check_size(*picture.size)
        if short_side is not None and picture.format == "JPEG":
            factor = max(1, min(picture.size) // short_side)
            picture.draft(None, (picture.width // factor, picture.height // factor))
        deep = None if reading.plain else _deep_png(picture, stream)
        return _shown(deep, reading) if deep is not None else _pixels(picture, reading)


def _deep_png(picture: Image.Image, stream: BinaryIO) -> np.ndarray | None:
    """Read all 16 bits of a colour PNG, of which Pillow keeps 8, where imagecodecs is there."""
    if picture.format != "PNG" or getattr(picture, "tile", [("", (), 0, "")])[0][3] not in (
        *("RGB;16B", "RGBA;16B", "LA;16B"),
    ):
        return None
    try:
        from imagecodecs import png_decode
    except ImportError:
        return None
    stream.seek(0)
    values: np.ndarray = png_decode(stream.read())
    return values


def _pixels(picture: Image.Image, reading: Reading = PLAIN) -> np.ndarray:
    """Convert an opened picture: (H, W, 3) uint8."""
    picture.load()
    orientation = _orientation(picture)
    deep = picture.mode.startswith(("I", "F"))
    if not deep:
        if picture.mode in ("LA", "PA", "RGBa") or "transparency" in picture.info:
            picture = picture.convert("RGBA")
        elif picture.mode != "RGBA":
            picture = picture.convert("RGB")
    values = np.asarray(picture)
    if deep or not reading.plain:
        values = _shown(values, reading, _nodata(picture))
    return _upright(_three_channels(values), orientation)


def _nodata(picture: Image.Image) -> float | None:
    """Say which value of a GeoTIFF means that nothing was measured."""
    try:
        return float(str(picture.tag_v2[NODATA_TAG]).strip("\0 "))  # type: ignore[attr-defined]
    except (AttributeError, KeyError, ValueError):
        return None


def _shown(values: np.ndarray, reading: Reading, nodata: float | None = None) -> np.ndarray:
    """Take the bands that are shown, and stretch them: (H, W[, C]) to (H, W, 1 or 3) uint8."""
    values = np.atleast_3d(values)
    values = values[..., [b - 1 for b in shown_bands(values.shape[2], reading)]]
    if values.dtype == np.uint8 and reading.stretch is None:
        return values
    measure = Measure(values.shape[0] * values.shape[1], reading.stretch, nodata)
    measure.add(values)
    return to_bytes(values, measure.limits(), nodata)


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - a broken EXIF block does not spoil the picture
        return 1


def _upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation 1..8 of (H, W, 3)."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def _from_tiff(
    stream: BinaryIO, first: Exception | None, short_side: int | None, reading: Reading
) -> np.ndarray:
    """Read the first page of a TIFF that Pillow refused, or of which not all bands are plain."""
    try:
        windows = TiffWindows(stream, reading)
    except MissingTifffileError:
        if isinstance(first, RefusedError):
            raise first from None
        more = f"more than Pillow ({first})" if first else "tifffile to choose bands"
        raise RefusedError(f"a TIFF that needs {more}; pip install 'acseg[tiff]'") from None
    with closing(windows):
        height, width = windows.height, windows.width
        if height * width > faults.MAX_PIXELS and short_side and windows.tiff.orientation == 1:
            scale = min(1.0, short_side / min(height, width))
            size = max(MIN_SIDE, round(height * scale)), max(MIN_SIDE, round(width * scale))
            return overview(windows, size)
        check_size(width, height)
        return _upright(windows.read(0, 0, height, width), windows.tiff.orientation)


def _from_array(values: np.ndarray, reading: Reading) -> np.ndarray:
    if not reading.plain and values.ndim in (2, 3) and values.dtype.kind in "biuf":
        check_size(values.shape[1], values.shape[0])
        values = np.atleast_3d(values)
        values = values[..., [b - 1 for b in shown_bands(values.shape[2], reading)]]
        values = (
            values if reading.stretch is None else _shown(values, Reading(None, reading.stretch))
        )
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 3, 4)):
        raise RefusedError(f"shape {values.shape}, expected (H, W) or (H, W, 1, 3 or 4)")
    check_size(values.shape[1], values.shape[0])
    if values.dtype == bool:
        values = values.astype(np.uint8) * 255
    elif values.dtype == np.uint16:
        values = (values / 257).round().astype(np.uint8)
    elif np.issubdtype(values.dtype, np.floating):
        low, high = float(values.min()), float(values.max())
        if not (low >= -1e-3 and high <= 1 + 1e-3):  # NaN too
            raise RefusedError(
                f"float values in {low:.4g}..{high:.4g}, expected 0..1; scale them first"
            )
        values = (values.clip(0, 1) * 255).round().astype(np.uint8)
    elif values.dtype != np.uint8:
        raise RefusedError(
            f"values of type {values.dtype}, expected uint8, uint16 or float in 0..1"
        )
    return _three_channels(values)


def _three_channels(values: np.ndarray) -> np.ndarray:
    """(H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8 to (H, W, 3), alpha over white."""
    if values.ndim == 2:
        values = values[..., None]
    if values.shape[2] == 1:
        return np.repeat(values, 3, axis=2)
    if values.shape[2] == 3:
        return values
    colour = values[..., :3].astype(np.uint16)
    alpha = values[..., 3:].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _finish(values: np.ndarray) -> np.ndarray:
    height, width = values.shape[:2]
    check_size(width, height)
    return np.array(values, dtype=np.uint8, order="C")
