"""Score backbones by their pixels alone: the course of a pre-training, from its checkpoints.

    python benchmarks/course.py WORK/stage1 WORK/stage2 WORK/backbone    # of recipes/bundled.sh
    python benchmarks/course.py bundled --sets camvid --concepts 12 --side 240 --block 4

k-means divides the pixels of each picture, so that no generator and no class has a part in the
figure; P3 mIoU without merging / merged as the bundled model merges.
"""

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from labelled import add_sets, open_scored, set_names

from acseg.backbone.backbone import Backbone
from acseg.backbone.load import load_backbone
from acseg.concepts.assignment import upsample_assignment
from acseg.concepts.ground import merge_thresholds
from acseg.concepts.merging import merge_alike
from acseg.evaluation.baselines import cluster
from acseg.evaluation.datasets import DataSet
from acseg.evaluation.protocols import evaluate_images
from acseg.images.batch import to_tensor
from acseg.model import ACSeg


@dataclass(frozen=True)
class How:
    """How pictures are encoded, divided and merged."""

    side: int
    concepts: int
    merge: float
    ground: float


def score(backbone: Backbone, data: DataSet, images: int, how: How) -> tuple[float, float]:
    """Give the P3 mIoU of a set in per cent, without merging and with it."""
    plain: list[tuple[str, np.ndarray, np.ndarray]] = []
    merged: list[tuple[str, np.ndarray, np.ndarray]] = []
    for place in data.places(images):
        sample = data[place]
        mask = sample.mask()
        image = to_tensor(sample.image(), side=how.side, multiple=backbone.patch)
        features = backbone(image[None])
        pixels, grid = features.pixels.float(), features.grid
        labels = torch.from_numpy(cluster(pixels[0].numpy(), "kmeans", k=how.concepts, seed=0))
        scores = torch.nn.functional.one_hot(labels, how.concepts)[None].float()  # (1, N, k)
        limit = merge_thresholds(pixels, grid, how.merge, how.ground)
        alike, _ = merge_alike(pixels, scores, limit)
        for found, own in ((plain, scores), (merged, alike)):
            drawn, _ = upsample_assignment(own[0], grid, (mask.shape[0], mask.shape[1]))
            found.append((sample.name, drawn.numpy(), mask))
    return 100 * evaluate_images(plain).miou, 100 * evaluate_images(merged).miou


@torch.inference_mode()
def main() -> None:
    """Read the settings, score every backbone on every set, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("backbones", nargs="+", help="'bundled', folders or names")
    add_sets(parser)
    parser.add_argument("--images", type=int, default=24, help="of each set, 0 = all")
    parser.add_argument("--concepts", type=int, default=8, help="k of k-means (8)")
    parser.add_argument("--side", type=int, help="short side in px (that of the bundled model)")
    parser.add_argument("--block", type=int, help="whose tokens are the pixels (the last)")
    args = parser.parse_args()

    shipped = ACSeg.load(device="cpu")
    own = shipped.settings
    how = How(args.side or shipped.side, args.concepts, own.merge or 1.0, own.ground or 0.0)
    names = set_names(args)
    print(f"| backbone | {' | '.join(names)} |\n" + "|---" * (len(names) + 1) + "|")
    for name in args.backbones:
        stride = shipped.backbone.stride
        backbone = load_backbone(name, block=args.block, stride=stride, device="cpu")
        cells = [score(backbone, open_scored(args.root, each), args.images, how) for each in names]
        print(
            f"| {name} | " + " | ".join(f"{a:.1f} / {b:.1f}" for a, b in cells) + " |", flush=True
        )


if __name__ == "__main__":
    main()
