"""Small versions of photographs and label maps, as text that fits into a page."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from acseg.images.read import read_image
from acseg.output.records import Box

_CROP_FROM = 480  # short side at which a photograph is read to cut boxes out of it
_LONGEST = 3  # the long side of a thumbnail is at most this many times the short one


def photograph_thumbnail(source: str | Path | np.ndarray, side: int) -> Image.Image:
    """Read a photograph and make its short side `side` pixels, or less where it is very long.

    Raises
    ------
    ImageError
        If the photograph cannot be read.
    """
    picture = Image.fromarray(read_image(source, short_side=2 * side))
    scale = min(side / min(picture.size), _LONGEST * side / max(picture.size), 1)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)


def crop(path: Path, box: Box, size: tuple[int, int], side: int) -> Image.Image:
    """Cut the middle of a box out of a photograph as a square of `side` pixels.

    Parameters
    ----------
    path : Path
        The photograph.
    box : (left, top, width, height)
        In pixels of the photograph at its full `size` (width, height).
    side : int
        Width and height of the result.

    Raises
    ------
    ImageError
        If the photograph cannot be read.
    """
    picture = Image.fromarray(read_image(path, short_side=_CROP_FROM))
    across, down = picture.width / size[0], picture.height / size[1]
    left, top = (
        min(int(box[0] * across), picture.width - 1),
        min(int(box[1] * down), picture.height - 1),
    )
    right = min(max(left + 1, round((box[0] + box[2]) * across)), picture.width)
    bottom = min(max(top + 1, round((box[1] + box[3]) * down)), picture.height)
    return ImageOps.fit(picture.crop((left, top, right, bottom)), (side, side))


def jpeg(picture: Image.Image) -> str:
    """Encode a picture as JPEG in base64."""
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=70, optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def encode_runs(labels: np.ndarray) -> str:
    """Encode labels (h, w) uint8, row by row, as base64 of pairs (label, length of the run - 1)."""
    flat = labels.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(np.append(starts, flat.size))
    pieces = -(-lengths // 256)  # runs longer than a byte holds are cut
    cut = np.full(pieces.sum(), 256)
    cut[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * 256
    pairs = np.stack([np.repeat(flat[starts], pieces), (cut - 1)], axis=1).astype(np.uint8)
    return base64.b64encode(pairs.tobytes()).decode("ascii")
