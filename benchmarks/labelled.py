"""The labelled sets beside the checkout, as the benchmarks go over them."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from acseg.backbone.features import Features
from acseg.evaluation.datasets import DataSet, Sample, open_dataset
from acseg.images.batch import to_tensor
from acseg.output.sampling import sample_labels

LABELLED = Path(__file__).resolve().parents[2] / "shared" / "labelled"


def add_sets(parser: argparse.ArgumentParser) -> None:
    """Let a command say which sets it goes over."""
    parser.add_argument("--root", type=Path, default=LABELLED, help="folder of labelled sets")
    parser.add_argument("--sets", nargs="+", help="names of sets (all below the root)")


def set_names(args: argparse.Namespace) -> list[str]:
    """Give the sets that were asked for, or all there are."""
    return args.sets or sorted(path.name for path in args.root.iterdir() if path.is_dir())


def open_scored(root: Path, name: str) -> DataSet:
    """Open what is scored where nothing is fitted: the val of CamVid, all of another set."""
    kind, split = ("camvid-11", "val") if name == "camvid" else ("folder", "all")
    return open_dataset(kind, root / name, split)


def open_halves(root: Path, name: str) -> tuple[DataSet, DataSet]:
    """Open what is fitted on and what is scored: train and val, or every second picture each."""
    camvid = name == "camvid"
    kind, fitted, scored = ("camvid-11", "train", "val") if camvid else ("folder", "odd", "even")
    return open_dataset(kind, root / name, fitted), open_dataset(kind, root / name, scored)


def encode(sample: Sample, backbone: Any, side: int) -> Features:
    """Give the features of a labelled picture."""
    image = to_tensor(sample.image(), side=side, multiple=backbone.patch)
    features: Features = backbone(image[None])
    return features


def truth_on(grid: tuple[int, int], sample: Sample) -> np.ndarray:
    """Give the class of each pixel of the feature grid (h, w), row by row: (N,) int64."""
    return sample_labels(sample.mask(), (grid[1], grid[0])).ravel().astype(np.int64)
