"""From whatever stands for pictures (paths, folders, addresses, arrays, ...) to the pictures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from acseg.errors import ImageError
from acseg.images.bands import PLAIN, Reading
from acseg.images.fetch import fetch, is_url
from acseg.images.read import read_image


def open_picture(source: Any, *, reading: Reading = PLAIN) -> np.ndarray:
    """Open one picture.

    Parameters
    ----------
    source : path, URL, bytes, PIL image, or (H, W[, 3]) array
        An URL begins with http:// or https://.
    reading : Reading
        Which bands to show, and how to stretch them.

    Returns
    -------
    (H, W, 3) uint8

    Raises
    ------
    ImageError
        If it cannot be read, or is a folder.
    """
    if is_url(source):
        return read_image(fetch(source), name=source, reading=reading)
    if isinstance(source, str | Path) and Path(source).is_dir():
        raise ImageError(f"{source} is a folder; give a list of its pictures")
    return read_image(source, reading=reading)


def open_pictures(source: Any, *, reading: Reading = PLAIN) -> tuple[Iterator[np.ndarray], bool]:
    """Open one picture or each of a list, when its turn comes; errors as of `open_picture`.

    Returns
    -------
    pictures : iterator of (H, W, 3) uint8
    several : bool
        Whether `source` is a list or tuple.
    """
    if isinstance(source, np.ndarray) and source.dtype.kind in "UO":  # texts or objects
        source = source.tolist()
    several = isinstance(source, list | tuple)
    items = source if several else [source]
    return (open_picture(one, reading=reading) for one in items), several
