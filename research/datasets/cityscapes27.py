"""Cityscapes-27: all classes of Cityscapes that are no void."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from acseg.output.label_png import read_labels
from research.datasets.base import DataSet, Files, translate

FIRST = 7  # labelIds 0 .. 6 are void


class Cityscapes27(DataSet):
    """Cityscapes with fine masks as torchvision, mmsegmentation and STEGO keep it.

    Class = labelId - 7, all else void. The usual crop never scores the left and right quarters of
    these wide pictures; ``crop="short-320"`` scores all of them.
    """

    name = "cityscapes-27"
    title = "Cityscapes-27"
    source = "the Cityscapes project (leftImg8bit_trainvaltest, gtFine_trainvaltest)"
    homes = (".", "cityscapes")
    layout = "leftImg8bit/{train,val}/CITY/*_leftImg8bit.png and gtFine/.../*_gtFine_labelIds.png"
    counts: ClassVar[dict[str, int | None]] = {"val": 500, "train": 2975}
    crops = ("centre-320", "short-320", "full")
    classes = (
        "road",
        "sidewalk",
        "parking",
        "rail track",
        "building",
        "wall",
        "fence",
        "guard rail",
        "bridge",
        "tunnel",
        "pole",
        "polegroup",
        "traffic light",
        "traffic sign",
        "vegetation",
        "terrain",
        "sky",
        "person",
        "rider",
        "car",
        "truck",
        "bus",
        "caravan",
        "trailer",
        "train",
        "motorcycle",
        "bicycle",
    )

    @classmethod
    def is_home(cls, folder: Path) -> bool:
        """Tell whether pictures and masks are here."""
        return (folder / "leftImg8bit").is_dir() and (folder / "gtFine").is_dir()

    @classmethod
    def files(cls, home: Path, split: str) -> Files:
        """List every picture of every city of the split."""
        found = []
        for image in sorted((home / "leftImg8bit" / split).glob("*/*_leftImg8bit.png")):
            name = image.name.removesuffix("_leftImg8bit.png")
            masks = home / "gtFine" / split / image.parent.name
            found.append((name, image, masks / f"{name}_gtFine_labelIds.png"))
        return found

    def read_mask(self, path: Path) -> np.ndarray:
        """Read the label ids and shift them; ids below 7 are void."""
        return translate(
            read_labels(path), {FIRST + index: index for index in range(len(self.classes))}
        )
