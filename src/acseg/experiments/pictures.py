"""The pictures of a split as experiments go over them."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from acseg.errors import ImageError
from acseg.evaluation.datasets import DataSet
from acseg.images.batch import to_tensor


@dataclass(frozen=True)
class Opened:
    """A labelled picture that was read and cropped.

    Attributes
    ----------
    key : tuple
        What tells it from any other picture: data set, split, crop rule, place.
    name : str
    picture : (H, W, 3) uint8
    mask : (H, W) int64
    side, multiple : int
        As for `acseg.images.batch.to_tensor`.
    """

    key: tuple[Hashable, ...]
    name: str
    picture: np.ndarray
    mask: np.ndarray
    side: int
    multiple: int

    @cached_property
    def image(self) -> Tensor:
        """What goes to the backbone, (1, 3, h, w) in 0..1."""
        return to_tensor(self.picture, side=self.side, multiple=self.multiple)[None]


def split_key(data: DataSet) -> tuple[Hashable, ...]:
    """Tell the pictures of a split from those of any other."""
    return data.name, str(data.home), data.split, data.crop


def open_pictures(
    data: DataSet,
    failed: dict[str, str],
    *,
    images: int,
    side: int,
    multiple: int,
    progress: Callable[[int, int], None],
) -> Iterator[Opened]:
    """Read the pictures of a split, or so many of them evenly spread.

    Parameters
    ----------
    data : DataSet
    failed : dict of str to str
        Gets the reason of each picture that cannot be read.
    images : int
        At most so many; 0 for all.
    side, multiple : int
        As for `acseg.images.batch.to_tensor`.
    progress : callable
        Told (done, of) after each.
    """
    places = data.places(images)
    for done, place in enumerate(places, start=1):
        sample = data[place]
        try:
            picture, mask = data.crop_rule(sample.image(), sample.mask())
        except ImageError as error:
            failed[sample.name] = str(error)
            continue
        yield Opened((*split_key(data), place), sample.name, picture, mask, side, multiple)
        progress(done, len(places))
