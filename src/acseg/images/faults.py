"""Why a picture is refused, in words for people."""

from PIL import Image, UnidentifiedImageError

from acseg.images.bands import UnfitError

MIN_SIDE = 8
"""Pictures with a shorter side than this many pixels are refused."""

MAX_PIXELS = 178_956_970
"""Pictures with more pixels than this are refused before they are decoded (Pillow's limit)."""

_IN_TILES = "save it as a TIFF in tiles and pass --tile auto, or make it smaller"


class RefusedError(Exception):
    """A reason, in words for people."""


class TooLargeError(RefusedError):
    """More pixels than are read at once."""


def explain(error: Exception) -> str:
    """Say in words for people why a picture cannot be read."""
    if isinstance(error, RefusedError | UnfitError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than the {MAX_PIXELS:,} pixels allowed; {_IN_TILES}"
    if isinstance(error, MemoryError):
        return "too large for the memory of this machine"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture, or of a kind that is not read, whatever its name says"
    if isinstance(error, OSError) and error.errno is not None:  # its text would name the path
        return f"cannot be read ({error.strerror})"
    detail = str(error).strip().splitlines()
    return f"broken or truncated ({detail[0] if detail else type(error).__name__})"


def check_size(width: int, height: int) -> None:
    """Raise RefusedError where a picture is too small or too large to be read at once."""
    if min(width, height) < MIN_SIDE:
        raise RefusedError(f"{width} x {height} pixels; each side needs at least {MIN_SIDE}")
    if width * height > MAX_PIXELS:
        raise TooLargeError(
            f"{width} x {height} pixels, more than the {MAX_PIXELS:,} allowed; {_IN_TILES}"
        )
