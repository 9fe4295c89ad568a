"""Opening a picture for reading windows, whatever its kind."""

from pathlib import Path

from acseg.errors import ImageError
from acseg.images import faults
from acseg.images.bands import PLAIN, Reading
from acseg.images.faults import explain
from acseg.images.read import read_image
from acseg.images.windows import ArrayWindows, NamedWindows, TiffWindows, Windows, starts_as_tiff

MOST_PIXELS = 2**33
"""Pictures with more pixels than this (92,000 x 92,000) are refused in tiles too."""


def open_windows(path: Path, *, reading: Reading = PLAIN, name: str | None = None) -> Windows:
    """Open a picture for reading windows.

    Parameters
    ----------
    path : Path
    reading : Reading
        Which bands, and how they are stretched: over the whole picture, not each window.
    name : str, optional
        What to call the picture in errors.

    Raises
    ------
    ImageError
        With the name and the reason, as `acseg.images.read.read_image`.
    """
    called = name or str(path)
    try:
        found = TiffWindows(path, reading) if starts_as_tiff(path) else None
        if found is not None:
            pixels = found.height * found.width
            if found.tiff.orientation == 1 and faults.MAX_PIXELS < pixels <= MOST_PIXELS:
                return NamedWindows(found, called)
            if found.tiff.orientation == 1 and pixels <= faults.MAX_PIXELS and _opens_alone(found):
                return NamedWindows(found, called)
            found.close()
            if pixels > faults.MAX_PIXELS:
                size = f"{found.width} x {found.height} pixels"
                why = f"more than the {MOST_PIXELS:,} that are read in tiles"
                if pixels <= MOST_PIXELS:
                    why = "and turned by its orientation tag; save it upright"
                raise ImageError(f"{called}: {size}, {why}")
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"{called}: {explain(error)}") from error
    return ArrayWindows(read_image(path, name=name, reading=reading))


def _opens_alone(found: TiffWindows) -> bool:
    """Whether windows of this TIFF are what reading it as a whole would give."""
    return found.tiff.is_rgb and min(found.height, found.width) >= 8
