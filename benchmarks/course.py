"""Score backbones by their pixels alone: the course of a pre-training, from its checkpoints.

    python benchmarks/course.py WORK/stage1 WORK/stage2 WORK/backbone    # of recipes/bundled.sh
    python benchmarks/course.py bundled --sets camvid --concepts 12 --side 240 --block 4

k-means divides the pixels of each picture, so that no generator and no class has a part in the
figure; P3 mIoU without merging / merged as the bundled model merges.
"""

import argparse

import torch
from labelled import add_sets, encode, open_scored, set_names
from merging import Pictured, drawn

from acseg.backbone.backbone import Backbone
from acseg.backbone.load import load_backbone
from acseg.concepts.ground import plain_thresholds
from acseg.evaluation.baselines import cluster
from acseg.evaluation.datasets import DataSet
from acseg.evaluation.protocols import evaluate_images
from acseg.experiments.conceptualizers import from_labels
from acseg.model import ACSeg


def divided(backbone: Backbone, data: DataSet, args: argparse.Namespace) -> list[Pictured]:
    """Divide pictures of a set by k-means on their pixels."""
    found = []
    for place in data.places(args.images):
        sample = data[place]
        features = encode(sample, backbone, args.side)
        pixels = features.tokens[0].float().numpy()
        labels = torch.from_numpy(cluster(pixels, "kmeans", k=args.concepts, seed=0))
        scores = from_labels(features, labels).scores
        found.append(Pictured(sample.name, features, scores, sample.mask()))
    return found


@torch.inference_mode()
def main() -> None:
    """Read the settings, score every backbone on every set, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("backbones", nargs="+", help="'bundled', folders or names")
    add_sets(parser)
    parser.add_argument("--images", type=int, default=24, help="of each set, 0 = all")
    parser.add_argument("--concepts", type=int, default=8, help="k of k-means (8)")
    parser.add_argument("--side", type=int, help="short side in px (that of the bundled model)")
    parser.add_argument("--block", type=int, help="whose tokens are used (the last)")
    args = parser.parse_args()

    shipped = ACSeg.load(device="cpu")
    args.side = args.side or shipped.side
    thresholds = plain_thresholds(shipped.settings.merge, shipped.settings.ground)
    names = set_names(args)
    print(f"| backbone | {' | '.join(names)} |\n" + "|---" * (len(names) + 1) + "|")
    for name in args.backbones:
        stride = shipped.backbone.stride
        backbone = load_backbone(name, blocks=args.block, stride=stride, device="cpu")
        cells = []
        for each in names:
            pictures = divided(backbone, open_scored(args.root, each), args)
            plain, merged = (evaluate_images(drawn(pictures, *t)) for t in ((1, 0), thresholds))
            cells.append(f"{100 * plain.miou:.1f} / {100 * merged.miou:.1f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
