"""The labelled data sets of the field, and any labelled folder, by name."""

from pathlib import Path

from acseg.errors import DataError
from research.datasets.base import Check, DataSet, Sample
from research.datasets.camvid11 import CamVid11
from research.datasets.cityscapes27 import Cityscapes27
from research.datasets.coco_stuff27 import COCOStuff27
from research.datasets.folder import Folder
from research.datasets.imagenet_s import ImageNetS50, ImageNetS300, ImageNetS919
from research.datasets.potsdam3 import Potsdam3
from research.datasets.voc import VOC

DATASETS: dict[str, type[DataSet]] = {
    dataset.name: dataset
    for dataset in (
        VOC,
        COCOStuff27,
        Cityscapes27,
        Potsdam3,
        ImageNetS50,
        ImageNetS300,
        ImageNetS919,
        CamVid11,
        Folder,
    )
}

__all__ = ["DATASETS", "Check", "DataSet", "Sample", "check_dataset", "open_dataset"]


def open_dataset(
    name: str, root: str | Path, split: str | None = None, *, crop: str | None = None
) -> DataSet:
    """Open a data set by name.

    Parameters
    ----------
    name : str
        One of `DATASETS`.
    root : str or Path
        Its folder, or one above it.
    split : str, optional
        Which part; by default the one that is scored.
    crop : str, optional
        Crop rule; by default the usual one of the data set.

    Raises
    ------
    DataError
        If the name is unknown, or the data set is not there.
    """
    return _named(name)(root, split, crop=crop)


def check_dataset(name: str, root: str | Path) -> Check:
    """Say what of a data set is found at a root, what is missing, and where it comes from."""
    return _named(name).check(root)


def _named(name: str) -> type[DataSet]:
    if name not in DATASETS:
        raise DataError(f"data set {name!r} is unknown; take one of {', '.join(DATASETS)}")
    return DATASETS[name]
