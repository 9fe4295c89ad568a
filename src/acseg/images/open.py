"""From whatever stands for pictures (paths, folders, addresses, arrays, ...) to the pictures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from acseg.errors import ImageError
from acseg.images.bands import PLAIN, Reading
from acseg.images.fetch import fetch, is_url
from acseg.images.read import read_image
from acseg.images.walk import find_images


def open_pictures(source: Any, *, reading: Reading = PLAIN) -> tuple[Iterator[np.ndarray], bool]:
    """Open what was given, one picture at a time.

    Parameters
    ----------
    source : path, URL, bytes, PIL image, (H, W[, 3]) array, or a list, tuple or array of these
        A folder or a glob stands for its pictures, in the order of their names. An URL begins
        with http:// or https://.
    reading : Reading
        Which bands to show, and how to stretch them.

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
    if isinstance(source, np.ndarray) and source.dtype.kind in "UO":  # texts or objects
        source = source.tolist()
    listed = isinstance(source, list | tuple)
    items = source if listed else [source]
    several = listed or _stands_for_several(source)
    return (_read(one, reading) for item in items for one in _expand(item)), several


def _stands_for_several(item: Any) -> bool:
    """Whether this may be the name of a folder or a glob."""
    return isinstance(item, str | Path) and not is_url(item) and not Path(item).is_file()


def _expand(item: Any) -> Iterator[Any]:
    """Give the pictures that one item stands for."""
    if not _stands_for_several(item):
        yield item
        return
    found, failures = find_images([item])
    if failures:
        raise ImageError(f"{failures[0].path}: {failures[0].reason}")
    yield from (one.path for one in found)


def _read(item: Any, reading: Reading) -> np.ndarray:
    if is_url(item):
        return read_image(fetch(item), name=item, reading=reading)
    return read_image(item, reading=reading)
