"""ImageNet-S: object masks for 50, 300 or 919 classes of ImageNet."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from acseg.errors import ImageError
from research.datasets.base import DataSet, Files

IGNORED = 1000  # the value in the files
MASKS = {"val": "validation-segmentation", "train-semi": "train-semi-segmentation"}
IMAGES = {"val": "validation", "train-semi": "train-semi"}


class ImageNetS(DataSet):
    """ImageNet-S as its own preparation script lays it out.

    Class 0 is "other", class i the i-th of the sorted ImageNet tags. Where ids reach 255, void is
    65535 (see `void`). The test masks are not public, so "val" is what can be scored.
    """

    number: ClassVar[int]
    source = "the ImageNet-S project (LUSSeg) for masks and lists, ImageNet-1k for the pictures"
    layout = "validation/TAG/*.JPEG and validation-segmentation/TAG/*.png (train-semi likewise)"

    def __init__(self, root: str | Path, split: str | None = None, *, crop: str | None = None):
        super().__init__(root, split, crop=crop)
        folder = self.home / MASKS[self.split]
        tags = sorted(path.name for path in folder.iterdir() if path.is_dir())
        if len(tags) != self.number:  # a part of the set: which id has which tag is not known
            tags = [f"class {index}" for index in range(1, self.number + 1)]
        self.classes = ("other", *tags)

    @classmethod
    def is_home(cls, folder: Path) -> bool:
        """Tell whether a folder of masks is here, and nothing says that it is another size."""
        size = folder.resolve().name.removeprefix("ImageNetS")
        other = size.isdigit() and int(size) != cls.number
        return not other and any((folder / masks).is_dir() for masks in MASKS.values())

    @classmethod
    def files(cls, home: Path, split: str) -> Files:
        """List every mask of the split with its picture."""
        found = []
        for mask in sorted((home / MASKS[split]).glob("*/*.png")):
            image = home / IMAGES[split] / mask.parent.name / f"{mask.stem}.JPEG"
            found.append((f"{mask.parent.name}/{mask.stem}", image, mask))
        return found

    def read_mask(self, path: Path) -> np.ndarray:
        """Read red + 256 * green; 1000 is void."""
        try:
            with Image.open(path) as picture:
                rgb = np.asarray(picture.convert("RGB")).astype(np.int64)
        except OSError as error:
            raise ImageError(f"{path}: not a mask that can be read ({error})") from error
        values = rgb[:, :, 0] + 256 * rgb[:, :, 1]
        return np.where((values == IGNORED) | (values > self.number), self.void, values)


class ImageNetS50(ImageNetS):
    """ImageNet-S with 50 classes."""

    name = "imagenet-s-50"
    title = "ImageNet-S-50"
    number = 50
    homes = (".", "ImageNetS50", "imagenet-s/ImageNetS50")
    counts: ClassVar[dict[str, int | None]] = {"val": 752, "train-semi": 500}


class ImageNetS300(ImageNetS):
    """ImageNet-S with 300 classes."""

    name = "imagenet-s-300"
    title = "ImageNet-S-300"
    number = 300
    homes = (".", "ImageNetS300", "imagenet-s/ImageNetS300")
    counts: ClassVar[dict[str, int | None]] = {"val": 4097, "train-semi": 3000}
    void = 65535


class ImageNetS919(ImageNetS):
    """ImageNet-S with all 919 classes."""

    name = "imagenet-s-919"
    title = "ImageNet-S-919"
    number = 919
    homes = (".", "ImageNetS919", "imagenet-s/ImageNetS919")
    counts: ClassVar[dict[str, int | None]] = {"val": 12419, "train-semi": 9190}
    void = 65535
