"""Potsdam-3: aerial pictures, six classes joined to three."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from acseg.errors import ImageError
from acseg.output.label_png import read_labels
from research.datasets.base import DataSet, Files, read_ids, translate

COARSE = {0: 0, 4: 0, 1: 1, 5: 1, 2: 2, 3: 2}
"""Impervious surface and car; building and clutter; low vegetation and tree."""

LISTS = {"val": "labelled_test.txt", "train": "labelled_train.txt"}


class Potsdam3(DataSet):
    """ISPRS Potsdam in 200 x 200 crops as IIC and STEGO keep it, infrared left out.

    The crops of mmsegmentation (img_dir, ann_dir; 512 x 512, its own split) are read too, but
    scores on them are no Potsdam-3 scores: the published ones are on the 855 crops of "val".
    """

    name = "potsdam-3"
    title = "Potsdam-3"
    source = "ISPRS 2D Semantic Labeling, Potsdam; crops and lists by IIC, VGG Oxford"
    homes = (".", "potsdam")
    layout = "imgs/*.mat, gt/*.mat, labelled_train.txt, labelled_test.txt (or img_dir, ann_dir)"
    counts: ClassVar[dict[str, int | None]] = {"val": 855, "train": 4545}
    classes = ("roads and cars", "buildings and clutter", "vegetation")

    @classmethod
    def is_home(cls, folder: Path) -> bool:
        """Tell whether either layout is here."""
        crops = (folder / "imgs").is_dir() and (folder / "gt").is_dir()
        return crops or ((folder / "img_dir").is_dir() and (folder / "ann_dir").is_dir())

    @classmethod
    def splits(cls, home: Path) -> dict[str, int | None]:
        """Name the splits; other crops than the official ones have no official number."""
        return dict.fromkeys(cls.counts) if (home / "img_dir").is_dir() else cls.counts

    @classmethod
    def files(cls, home: Path, split: str) -> Files:
        """List the split by its list (crops of IIC) or its folder (mmsegmentation)."""
        if (home / "img_dir").is_dir():
            masks = home / "ann_dir" / split
            images = sorted((home / "img_dir" / split).glob("*.png"))
            return [(image.stem, image, masks / image.name) for image in images]
        ids = read_ids(home / LISTS[split])
        return [(name, home / "imgs" / f"{name}.mat", home / "gt" / f"{name}.mat") for name in ids]

    def read_image(self, path: Path) -> np.ndarray:
        """Read red, green and blue, (H, W, 3) uint8."""
        if path.suffix != ".mat":
            return super().read_image(path)
        return np.ascontiguousarray(_matlab(path, "img")[:, :, :3].astype(np.uint8))

    def read_mask(self, path: Path) -> np.ndarray:
        """Read the six classes and join them to three."""
        if path.suffix != ".mat":  # mmsegmentation: 1 .. 6 for the same six, 0 for void
            return translate(read_labels(path), {fine + 1: to for fine, to in COARSE.items()})
        return translate(_matlab(path, "gt").astype(np.int64), COARSE)


def _matlab(path: Path, key: str) -> np.ndarray:
    """One array of a .mat file."""
    from scipy.io import loadmat

    try:
        return loadmat(path)[key]
    except Exception as error:  # scipy has many for files that are no .mat
        raise ImageError(f"{path}: no readable array {key!r} ({error})") from error
