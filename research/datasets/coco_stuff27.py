"""COCO-Stuff-27: the 182 fine classes of COCO-Stuff, joined to 27."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from acseg.output.label_png import read_labels
from research.datasets.base import DataSet, Files, read_ids, translate

_NAMES = """
electronic appliance food furniture indoor kitchen accessory animal outdoor person sports vehicle
ceiling floor food-stuff furniture-stuff raw-material textile wall window building ground plant sky
solid structural water
"""
NAMES = tuple(_NAMES.split())

_FINE = {  # coarse class: the fine ids in the mask files (COCO id less one)
    "person": "0",
    "vehicle": "1-8",
    "outdoor": "9-14",
    "animal": "15-24",
    "accessory": "25-32",
    "sports": "33-42",
    "kitchen": "43-50",
    "food": "51-60",
    "furniture": "61-70",
    "electronic": "71-76",
    "appliance": "77-82",
    "indoor": "83-90",
    "textile": "91 92 103 104 108 130 136 140 151 166 167",
    "plant": "93 96 118 123 128 133 141 162 168",
    "building": "94 95 127 150 157 165",
    "furniture-stuff": "97 106 107 109 111 122 129 132 155 160 164",
    "structural": "98 112 137 145 163",
    "raw-material": "99 131 138 142",
    "floor": "100 113-117",
    "ceiling": "101 102",
    "sky": "105 156",
    "ground": "110 124 125 135 139 143 144 146 148 153 158",
    "water": "119 147 154 177 178",
    "food-stuff": "120 121 152 169",
    "solid": "126 134 149 159 161 181",
    "wall": "170-176",
    "window": "179 180",
}


def _ids(text: str) -> list[int]:
    """The numbers in "3 5-7": 3, 5, 6, 7."""
    ends = [[int(end) for end in part.split("-")] for part in text.split()]
    return [number for end in ends for number in range(end[0], end[-1] + 1)]


COARSE = {fine: NAMES.index(name) for name, ids in _FINE.items() for fine in _ids(ids)}
"""Coarse class of each fine id 0 .. 181."""


class COCOStuff27(DataSet):
    """COCO-Stuff-27 as STEGO and mmsegmentation keep it, with the curated lists of IIC.

    "val" and "train" are the curated lists that all published numbers use; "val-all" is every
    picture of val2017 that has a mask.
    """

    name = "coco-stuff-27"
    title = "COCO-Stuff-27"
    source = (
        "COCO 2017 images (cocodataset.org); stuffthingmaps_trainval2017 of COCO-Stuff; "
        "curated lists COCOStuff164kCurated of IIC, VGG Oxford"
    )
    homes = (".", "cocostuff", "coco_stuff164k", "coco-stuff")
    layout = (
        "images/{train,val}2017, annotations/{train,val}2017 (or stuffthingmaps) and "
        "curated/{train,val}2017/Coco164kFull_Stuff_Coarse_7.txt"
    )
    counts: ClassVar[dict[str, int | None]] = {"val": 2175, "train": 49629, "val-all": 5000}
    crops = ("centre-320", "short-320", "full")
    classes = NAMES

    @classmethod
    def is_home(cls, folder: Path) -> bool:
        """Tell whether pictures and masks of COCO-Stuff are here."""
        return _masks(folder, "val2017").is_dir() or _masks(folder, "train2017").is_dir()

    @classmethod
    def files(cls, home: Path, split: str) -> Files:
        """List the split by the curated list, or all masks for "val-all"."""
        year = "train2017" if split == "train" else "val2017"
        images, masks = home / "images" / year, _masks(home, year)
        if not images.is_dir():
            images = home / year
        if split == "val-all":
            ids = sorted(path.stem for path in masks.glob("*.png") if path.stem.isdigit())
        else:
            ids = read_ids(home / "curated" / year / "Coco164kFull_Stuff_Coarse_7.txt")
        return [(name, images / f"{name}.jpg", masks / f"{name}.png") for name in ids]

    def read_mask(self, path: Path) -> np.ndarray:
        """Read the fine ids and join them to 27; unlabelled (255) is void."""
        return translate(read_labels(path), COARSE)


def _masks(home: Path, year: str) -> Path:
    """Folder of the masks: the first of the two usual ones that is there."""
    plain = home / "annotations" / year
    return plain if plain.is_dir() else home / "stuffthingmaps" / year
