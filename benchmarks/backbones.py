"""Measure what backbones are worth: masks, classes and single pixels, on the labelled sets.

    python benchmarks/backbones.py                          # all sets beside the checkout
    python benchmarks/backbones.py --shipped                # minutes: the bundled model as it is
    python benchmarks/backbones.py --shipped --merge 1      # and with another threshold
    python benchmarks/backbones.py --shipped --runs gen1/ gen2/     # and with other generators
    python benchmarks/backbones.py --also runs/dino-vits8   # and any Hugging Face ViT
    python benchmarks/backbones.py --sets camvid --steps 2500 --seeds 0 1 2 --json backbones.json

Rows: the bundled backbone with the bundled generator, as it ships; then the bundled backbone, a
ViT of its shape with random weights, hand-made features, and those of --also, each with a
generator fitted to the set (all images, no labels; CamVid: train). Scores: P3 mIoU and covering of
the concepts; P1 mIoU of the classes that fit found, as many as the set has (CamVid: fitted on
train, scored on val); on CamVid also single pixels from train to val, by the nearest neighbour and
by a linear probe.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from copy import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from labelled import add_sets, encode, open_halves, open_scored, set_names, truth_on

from acseg.backbone.load import load_backbone
from acseg.classes.linear import fit_linear
from acseg.classes.retrieval import retrieve_classes
from acseg.evaluation.datasets import DataSet
from acseg.evaluation.handmade import HandMade
from acseg.evaluation.protocols import evaluate_collection, evaluate_images
from acseg.model import ACSeg

FIGURES = ("P3 mIoU", "P3 covering", "concepts", "P1 mIoU", "1-NN", "linear")


@dataclass(frozen=True)
class Row:
    """The figures of one backbone on one set with one seed."""

    dataset: str
    backbone: str
    seed: int
    figures: dict[str, float]


def random_vit(like: Any, seed: int) -> Any:
    """Make a backbone of the same shape as the bundled one, with random weights."""
    from transformers import ViTModel

    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        ViTModel(like.vit.model.config, add_pooling_layer=False).save_pretrained(folder)
        return load_backbone(folder, stride=like.stride, device="cpu")


def with_generator(model: ACSeg, run: str) -> ACSeg:
    """Give a model the generator of a RUN, such as one of another seed; the rest stays."""
    other = copy(model)
    other.generator_ = ACSeg.load(run, device="cpu").generator_
    return other


def fitted(
    data: DataSet, backbone: Any, classes: int, args: argparse.Namespace, seed: int
) -> ACSeg:
    """Fit a generator and classes to the images of a set."""
    model = ACSeg(
        classes=classes,
        concepts=args.concepts,
        steps=args.steps,
        rounds=10 if args.rounds is None else args.rounds,
        merge=1.0 if args.merge is None else args.merge,
        ground=args.ground or 0.0,
        side=args.side,
        foreground="none",
        descriptor=args.descriptor,
        seed=seed,
        device="cpu",
    )
    model._backbone = backbone
    return model.fit([sample.image_path for sample in data])


def score(model: ACSeg, data: DataSet, limit: int) -> dict[str, float]:
    """Score concepts (P3), and classes (P1) where the model has any."""
    concepts, classes = [], []
    for index in data.places(limit):
        sample = data[index]
        image, mask = sample.image(), sample.mask()
        concepts.append((sample.name, model.segment(image).labels, mask))
        if model.centres_ is not None:
            classes.append((sample.name, model.predict(image).labels, mask))
    per_image = evaluate_images(concepts)
    found = {
        "P3 mIoU": per_image.miou,
        "P3 covering": per_image.covering,
        "concepts": per_image.mean_clusters,
    }
    if classes:
        found["P1 mIoU"] = evaluate_collection(classes, n_true=len(data.classes)).miou
    return found


def pixels_of(data: DataSet, backbone: Any, side: int, each: int, seed: int) -> tuple[Any, Any]:
    """Draw labelled pixels of every image: (P, D) and their classes (P,)."""
    rows, labels = [], []
    random = np.random.default_rng(seed)
    for sample in data:
        features = encode(sample, backbone, side)
        truth = truth_on(features.grid, sample)
        known = np.flatnonzero(truth != data.void)
        some = random.permutation(known)[:each]
        rows.append(features.tokens[0].cpu().numpy()[some])
        labels.append(truth[some])
    return np.concatenate(rows), np.concatenate(labels)


def single_pixels(
    train: DataSet, val: DataSet, backbone: Any, side: int, seed: int
) -> dict[str, float]:
    """Classify single pixels of val by train: accuracy of 1-NN and of a linear probe."""
    bank, bank_labels = pixels_of(train, backbone, side, 64, seed)
    queries, truth = pixels_of(val, backbone, side, 64, seed)
    nearest, _ = retrieve_classes(queries, bank, bank_labels, neighbours=1)
    linear, _ = fit_linear(bank, bank_labels).predict(queries)
    return {"1-NN": float((nearest == truth).mean()), "linear": float((linear == truth).mean())}


def table(rows: list[Row]) -> str:
    """Draw one Markdown table for each set; mean and spread over the seeds."""
    parts = []
    for dataset in dict.fromkeys(row.dataset for row in rows):
        here = [row for row in rows if row.dataset == dataset]
        names = [n for n in FIGURES if any(n in row.figures for row in here)]
        parts += [f"### {dataset}", "", "| backbone | " + " | ".join(names) + " |"]
        parts.append("|---" * (len(names) + 1) + "|")
        for backbone in dict.fromkeys(row.backbone for row in here):
            same = [row.figures for row in here if row.backbone == backbone]
            cells = [_cell([f[n] for f in same if n in f], n) for n in names]
            parts.append(f"| {backbone} | " + " | ".join(cells) + " |")
        parts.append("")
    return "\n".join(parts)


def _cell(values: list[float], name: str) -> str:
    if not values:
        return ""
    scaled = [v if name == "concepts" else 100 * v for v in values]
    spread = f" +- {np.std(scaled):.1f}" if len(scaled) > 1 else ""
    return f"{np.mean(scaled):.1f}{spread}"


def keep(rows: list[Row], path: Path | None) -> None:
    """Write all rows so far, where a file is asked for."""
    if path is not None:
        path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def main() -> None:
    """Read the settings, measure every backbone on every set, print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_sets(parser)
    parser.add_argument("--also", nargs="*", default=[], help="names or folders of other ViTs")
    parser.add_argument("--shipped", action="store_true", help="the bundled model alone, no fits")
    parser.add_argument(
        "--runs", nargs="*", default=[], help="RUNs whose generators stand in for the bundled one"
    )
    parser.add_argument("--concepts", type=int, default=5)
    parser.add_argument("--rounds", type=int, help="of Lloyd, for all backbones (10)")
    parser.add_argument(
        "--merge", type=float, help="threshold, for all (1: never); with --shipped: its own"
    )
    parser.add_argument(
        "--ground", type=float, help="least score to merge at all (0: always; --shipped: its own)"
    )
    parser.add_argument("--steps", type=int, default=500, help="of each generator (500)")
    parser.add_argument("--descriptor", default="crop")
    parser.add_argument("--images", type=int, default=0, help="scored of each set, 0 = all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--json", type=Path, help="write every row here, too")
    args = parser.parse_args()

    shipped = ACSeg.load(device="cpu")
    args.side = shipped.side
    own = {"rounds": args.rounds, "merge": args.merge, "ground": args.ground}
    told = {name: value for name, value in own.items() if value is not None}
    shipped.settings = replace(shipped.settings, **told)
    models = [shipped, *(with_generator(shipped, run) for run in args.runs)]
    how = ", ".join(f"{name} {value:g}" for name, value in told.items()) or "as shipped"
    makers: dict[str, Callable[[int], Any]] = {
        "bundled": lambda seed: shipped.backbone,
        "random ViT": lambda seed: random_vit(shipped.backbone, seed),
        "hand-made": lambda seed: HandMade(),
    }
    for name in args.also:
        makers[name] = lambda seed, name=name: load_backbone(name, device="cpu")  # type: ignore[misc]
    rows: list[Row] = []
    for name in set_names(args):
        camvid = name == "camvid"
        val = open_scored(args.root, name)
        train = open_halves(args.root, name)[0] if camvid else val
        for number, model in enumerate(models):
            rows.append(Row(name, f"bundled, {how}", number, score(model, val, args.images)))
        for seed in [] if args.shipped else args.seeds:
            for label, make in makers.items():
                backbone = make(seed)
                model = fitted(train, backbone, len(train.classes), args, seed)
                figures = score(model, val, args.images)
                if camvid:
                    figures |= single_pixels(train, val, backbone, args.side, seed)
                rows.append(Row(name, label, seed, figures))
                keep(rows, args.json)
        print(table([row for row in rows if row.dataset == name]), flush=True)
    keep(rows, args.json)


if __name__ == "__main__":
    main()
