"""PASCAL VOC 2012: 20 classes and background."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from acseg.output.label_png import read_labels
from research.datasets.base import DataSet, Files, read_ids, translate

NAMES = """
background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike
person pottedplant sheep sofa train tvmonitor
"""


class VOC(DataSet):
    """PASCAL VOC 2012 as torchvision and mmsegmentation keep it.

    The train_aug list (10,582 pictures) is ``trainaug.txt`` or ``train_aug.txt`` beside the
    official lists, or ``train.txt`` and ``aug.txt`` together. Its masks are in
    ``SegmentationClassAug``, and the official ones where a picture is not there.
    """

    name = "voc"
    title = "PASCAL VOC 2012"
    source = (
        "the PASCAL VOC project, University of Oxford (VOCtrainval_11-May-2012); "
        "train_aug from the Semantic Boundaries Dataset, UC Berkeley"
    )
    homes = (".", "VOC2012", "VOCdevkit/VOC2012", "TrainVal/VOCdevkit/VOC2012")
    layout = (
        "JPEGImages, SegmentationClass (SegmentationClassAug for train_aug) and "
        "ImageSets/Segmentation in VOCdevkit/VOC2012"
    )
    counts: ClassVar[dict[str, int | None]] = {"val": 1449, "train": 1464, "train_aug": 10582}
    crops = ("full", "stretch-320")
    classes = tuple(NAMES.split())

    @classmethod
    def is_home(cls, folder: Path) -> bool:
        """Tell whether the official folders are here."""
        return (folder / "JPEGImages").is_dir() and (folder / "SegmentationClass").is_dir()

    @classmethod
    def files(cls, home: Path, split: str) -> Files:
        """List the split by the lists in ImageSets."""
        lists = home / "ImageSets" / "Segmentation"
        if split == "train_aug":
            ids = (
                read_ids(lists / "trainaug.txt")
                or read_ids(lists / "train_aug.txt")
                or (read_ids(lists / "aug.txt") and _both(lists))
            )
        else:
            ids = read_ids(lists / f"{split}.txt")
        ids = [Path(line).stem for line in ids]  # some lists hold paths
        masks = {name: home / "SegmentationClass" / f"{name}.png" for name in ids}
        if split == "train_aug":
            extra = home / "SegmentationClassAug"
            there = {path.stem for path in extra.glob("*.png")}
            for name, official in masks.items():
                if name in there or not official.is_file():
                    masks[name] = extra / f"{name}.png"
        return [(name, home / "JPEGImages" / f"{name}.jpg", masks[name]) for name in ids]

    def read_mask(self, path: Path) -> np.ndarray:
        """Read the palette PNG; the borders of objects (255) are void."""
        return translate(read_labels(path), {index: index for index in range(21)})


def _both(lists: Path) -> list[str]:
    return read_ids(lists / "train.txt") + read_ids(lists / "aug.txt")
