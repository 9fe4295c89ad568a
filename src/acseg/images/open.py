"""From whatever stands for pictures (paths, folders, arrays, bytes, ...) to the pictures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from acseg.errors import ImageError
from acseg.images.read import read_image
from acseg.images.walk import find_images


def open_pictures(source: Any) -> tuple[Iterator[np.ndarray], bool]:
    """Open what was given, one picture at a time.

    Parameters
    ----------
    source : path, bytes, PIL image, (H, W[, 3]) array, or a list or tuple of these
        A folder or a glob stands for the list of its pictures, in the order of their names.

    Returns
    -------
    pictures : iterator of (H, W, 3) uint8
        Each is read when it is asked for.
    several : bool
        Whether `source` stands for a list; otherwise there is one picture.

    Raises
    ------
    ImageError
        Naming the first picture that cannot be read, when its turn comes.
    """
    if isinstance(source, str | Path) and not Path(source).is_file():
        found, failures = find_images([source])
        if failures:
            raise ImageError(f"{failures[0].path}: {failures[0].reason}")
        source = [one.path for one in found]
    several = isinstance(source, list | tuple)
    items = source if several else [source]
    return (read_image(item) for item in items), several
