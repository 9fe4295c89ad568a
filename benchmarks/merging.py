"""Measure how far to merge, and in which pictures: what the bundled thresholds were chosen by.

    python benchmarks/merging.py                                  # 64 images of every set
    python benchmarks/merging.py --sets camvid --images 0 --odd   # every second image of all

The bundled model with its own rounds; only the thresholds differ. First one threshold on the mean
affinity for all pictures (`--merge`), then with the one that ships the least ground score of a
picture in which anything merges (`--ground`). P3 mIoU and, in brackets, the concepts of a picture;
r correlates the number of concepts with that of the classes present, over all pictures of all sets.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from labelled import add_sets, open_scored, set_names
from torch import Tensor

from acseg.backbone.features import Features
from acseg.concepts.assignment import upsample_assignment
from acseg.concepts.ground import ground_score, merge_thresholds
from acseg.concepts.merging import merge_alike
from acseg.evaluation.datasets import DataSet
from acseg.evaluation.protocols import evaluate_images
from acseg.experiments.analyses import diversity
from acseg.images.batch import to_tensor
from acseg.model import ACSeg


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


def ground_scores(pictures: list[Pictured]) -> list[float]:
    """Score how much each picture is a figure on a ground."""
    features = (one.features for one in pictures)
    return [float(ground_score(each.tokens, each.grid)) for each in features]


def drawn(
    pictures: list[Pictured], merge: float, ground: float
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Merge with two thresholds, and give each picture's name, label map and mask."""
    for one in pictures:
        pixels, grid = one.features.tokens, one.features.grid
        limit = merge_thresholds(pixels, grid, merge, ground)
        scores, _ = merge_alike(pixels, one.scores, limit)
        height, width = one.mask.shape
        labels, _ = upsample_assignment(scores[0], grid, (height, width))
        yield one.name, labels.numpy(), one.mask


def row(sets: Sequence[list[Pictured]], merge: float, ground: float) -> str:
    """Score two thresholds on each set, and correlate concepts with classes over all pictures."""
    results = [evaluate_images(drawn(pictures, merge, ground)) for pictures in sets]
    r = diversity([score for result in results for score in result.per_image])
    cells = [f"{100 * result.miou:.1f} ({result.mean_clusters:.1f})" for result in results]
    return " | ".join([*cells, "" if r is None else f"{r:.2f}"])


@torch.inference_mode()
def main() -> None:
    """Read the settings, generate the concepts of every set, print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_sets(parser)
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
    names = set_names(args)
    sets: dict[str, list[Pictured]] = {}
    for name in names:
        data = open_scored(args.root, name)
        places = data.places(args.images)
        places = places[1::2] if args.even else places[:: 2 if args.odd else 1]
        sets[name] = conceptualized(model, data, places)
    head = " | ".join(names) + " |"
    line = "|---" * (len(names) + 1) + "|"
    all_sets = list(sets.values())
    print(f"| merged above, in all pictures | {head} r |\n{line}---|")
    for merge in args.merge:
        print(f"| {merge:g} | {row(all_sets, merge, 0)} |", flush=True)
    print(f"\n| merged above {own:g} from a ground score of | {head} r |\n{line}---|")
    for ground in args.ground:
        print(f"| {ground:g} | {row(all_sets, own, ground)} |", flush=True)
    print(f"\n| ground score | {head}\n{line}")
    for name, part in (("10th of 100", 0.1), ("median", 0.5), ("90th of 100", 0.9)):
        values = [np.quantile(ground_scores(pictures), part) for pictures in all_sets]
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |")


if __name__ == "__main__":
    main()
