"""Measure how far to merge, and in which pictures: what the bundled thresholds were chosen by.

    python benchmarks/merging.py                                  # 64 images of every set
    python benchmarks/merging.py --sets camvid --images 0 --odd   # every second image of all

The bundled model with its own rounds; only the thresholds differ. First one threshold on the mean
affinity for all pictures (`--merge`), then with the one that ships the least ground score of a
picture in which anything merges (`--ground`). P3 mIoU and, in brackets, the concepts of a picture.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from acseg.backbone.features import Features
from acseg.concepts.assignment import upsample_assignment
from acseg.concepts.ground import ground_score, merge_thresholds
from acseg.concepts.merging import merge_alike
from acseg.evaluation.datasets import DataSet, open_dataset
from acseg.evaluation.protocols import evaluate_images
from acseg.images.batch import to_tensor
from acseg.model import ACSeg

LABELLED = Path(__file__).resolve().parents[2] / "shared" / "labelled"


@dataclass(frozen=True)
class Pictured:
    """A picture with its concepts before any of them merge."""

    name: str
    features: Features
    scores: Tensor
    mask: np.ndarray


def conceptualized(model: ACSeg, data: DataSet, places: list[int]) -> list[Pictured]:
    """Generate the concepts of some pictures of a set, without merging."""
    found = []
    for place in places:
        sample = data[place]
        image = to_tensor(sample.image(), side=model.side, multiple=model.backbone.patch)
        concepts = model.conceptualize(image[None])
        found.append(Pictured(sample.name, concepts.features, concepts.scores, sample.mask()))
    return found


def drawn(
    pictures: list[Pictured], merge: float, ground: float
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Merge with two thresholds, and give each picture's name, label map and mask."""
    for one in pictures:
        pixels, grid = one.features.pixels, one.features.grid
        limit = merge_thresholds(pixels, grid, merge, ground)
        scores, _ = merge_alike(pixels, one.scores, limit)
        height, width = one.mask.shape
        labels, _ = upsample_assignment(scores[0], grid, (height, width))
        yield one.name, labels.numpy(), one.mask


def cell(pictures: list[Pictured], merge: float, ground: float) -> str:
    """Score two thresholds on a set."""
    result = evaluate_images(drawn(pictures, merge, ground))
    return f"{100 * result.miou:.1f} ({result.mean_clusters:.1f})"


@torch.inference_mode()
def main() -> None:
    """Read the settings, generate the concepts of every set, print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=LABELLED, help="folder of labelled sets")
    parser.add_argument("--sets", nargs="+", help="names of sets (all below the root)")
    parser.add_argument("--images", type=int, default=64, help="of each set, 0 = all")
    half = parser.add_mutually_exclusive_group()
    half.add_argument("--odd", action="store_true", help="of these the 1st, 3rd, ... alone")
    half.add_argument("--even", action="store_true", help="of these the 2nd, 4th, ... alone")
    parser.add_argument("--merge", type=float, nargs="+", default=[1, 0.6, 0.5, 0.45, 0.4, 0.35])
    parser.add_argument("--ground", type=float, nargs="+", default=[0, 0.4, 0.44, 0.48, 0.52, 0.6])
    args = parser.parse_args()

    model = ACSeg.load(device="cpu")
    own = model.settings.merge or 1.0
    model.settings = replace(model.settings, merge=1.0)
    names = args.sets or sorted(p.name for p in args.root.iterdir() if p.is_dir())
    sets: dict[str, list[Pictured]] = {}
    for name in names:
        folder = args.root / name
        kind, split = ("camvid-11", "val") if name == "camvid" else ("folder", "all")
        data = open_dataset(kind, folder, split)
        count = min(args.images, len(data)) if args.images else len(data)
        places = np.linspace(0, len(data) - 1, count).round().astype(int).tolist()
        places = places[1::2] if args.even else places[:: 2 if args.odd else 1]
        sets[name] = conceptualized(model, data, places)
    head = " | ".join(names) + " |\n" + "|---" * (len(names) + 1) + "|"
    print("| merged above, in all pictures | " + head)
    for merge in args.merge:
        row = " | ".join(cell(pictures, merge, 0) for pictures in sets.values())
        print(f"| {merge:g} | {row} |", flush=True)
    print(f"\n| merged above {own:g} where the ground score is at least | " + head)
    for ground in args.ground:
        row = " | ".join(cell(pictures, own, ground) for pictures in sets.values())
        print(f"| {ground:g} | {row} |", flush=True)
    print("\n| ground score: 10th, 50th, 90th of a hundred | " + head)
    spread = [
        [float(ground_score(p.features.pixels, p.features.grid)) for p in pictures]
        for pictures in sets.values()
    ]
    row = " | ".join(
        "{:.2f}, {:.2f}, {:.2f}".format(*np.quantile(s, (0.1, 0.5, 0.9))) for s in spread
    )
    print(f"| | {row} |")


if __name__ == "__main__":
    main()
