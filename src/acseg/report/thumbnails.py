"""Small versions of photographs and label maps, as text that fits into a page."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from acseg.images.read import read_image

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


def jpeg_bytes(picture: Image.Image, quality: int = 70) -> bytes:
    """Encode a picture as JPEG."""
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def jpeg(picture: Image.Image) -> str:
    """Encode a picture as JPEG in base64."""
    return base64.b64encode(jpeg_bytes(picture)).decode("ascii")


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
