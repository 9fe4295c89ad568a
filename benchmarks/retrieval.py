"""Measure how fine a division retrieval wants, and where it stops: 1-NN over the number of regions.

    python benchmarks/retrieval.py -o retrieval/                        # all sets, three seeds
    python benchmarks/retrieval.py -o retrieval/ --sets rural_street --seeds 0 --concepts 8 16

One half of each set is fitted on (CamVid: train), the other scored (val), on the feature grid, so
that nothing but the division differs. A region is the mean of its pixels and takes the class of the
nearest labelled region. "best possible" gives every scored region the class it mostly is: what a
perfect classifier would get from these regions. "single pixels" is no division at all.

The ACG is trained for each k on the fitted half, and used without rounds, as in the paper, and with
ten. Writes SET.csv, SET.png and SET.svg (1-NN over the regions of a picture), prints the table.
"""

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from labelled import add_sets, encode, open_halves, set_names, truth_on
from torch import Tensor

from acseg.classes.descriptors import mean_token
from acseg.classes.retrieval import majority_labels, retrieve_classes
from acseg.concepts.assignment import assign, concept_scores
from acseg.concepts.lloyd import lloyd_rounds
from acseg.evaluation.baselines import cluster
from acseg.evaluation.confusion import Confusion, confusion
from acseg.evaluation.datasets import DataSet
from acseg.evaluation.scores import miou
from acseg.experiments.conceptualizers import SEEDLESS
from acseg.experiments.regions import draw_rows
from acseg.model import ACSeg
from acseg.report.plots import draw_lines, save_figure
from acseg.settings import Settings
from acseg.training.loop import fit_generator

TRAINING: dict[str, Any] = {"batch": 16, "sample": 196, "learning_rate": 1e-3}
SINGLE_PIXELS = 256  # of a picture, labelled and scored
Divide = Callable[[Tensor], Tensor]  # pixels (N, D) -> labels (N,)


@dataclass(frozen=True)
class Pictured:
    """The pixels of a picture (N, D) and the class of each (N,)."""

    pixels: Tensor
    truth: np.ndarray


@dataclass(frozen=True)
class Cells:
    """What one method with one k and one seed got, in per cent."""

    method: str
    k: int
    seed: int
    regions: float
    nearest: float
    five: float
    best: float


@dataclass(frozen=True)
class Set:
    """Both halves of a labelled set."""

    fitted: list[Pictured]
    scored: list[Pictured]
    classes: int
    void: int


def read(model: ACSeg, data: DataSet, limit: int) -> list[Pictured]:
    """Encode the pictures of a split, and bring their masks to the feature grid."""
    found = []
    for place in data.places(limit):
        sample = data[place]
        features = encode(sample, model.backbone, model.side)
        truth = truth_on(features.grid, sample)
        found.append(Pictured(features.tokens[0].half().cpu(), truth))
    return found


def read_set(model: ACSeg, root: Path, name: str, limit: int) -> Set:
    """Read both halves of a set."""
    fitted, scored = open_halves(root, name)
    return Set(
        read(model, fitted, limit), read(model, scored, limit), len(scored.classes), scored.void
    )


def trained(pictures: Sequence[Pictured], k: int, seed: int, steps: int) -> torch.nn.Module:
    """Train a generator with k prototypes on the pixels of some pictures."""
    settings = Settings(concepts=k, steps=steps, seed=seed, **TRAINING)
    rows = draw_rows((one.pixels for one in pictures), settings.sample, seed=seed)
    generator, _ = fit_generator(rows, np.arange(len(rows)), settings)
    return generator


@torch.inference_mode()
def by_concepts(generator: torch.nn.Module, rounds: int, pixels: Tensor) -> Tensor:
    """Divide a picture by its concepts."""
    batch = pixels[None].float()
    return assign(concept_scores(batch, lloyd_rounds(batch, generator(batch), rounds)))[0]


def by_clustering(method: str, k: int, seed: int, pixels: Tensor) -> Tensor:
    """Divide a picture by another clustering."""
    return torch.from_numpy(cluster(pixels.float().numpy(), method, k=k, seed=seed))


def some_pixels(pixels: Tensor) -> Tensor:
    """Make some pixels, evenly spread, a region each; the others belong to none (-1)."""
    labels = torch.full((len(pixels),), -1)
    places = torch.linspace(0, len(pixels) - 1, min(SINGLE_PIXELS, len(pixels))).long()
    labels[places] = torch.arange(len(places))
    return labels


def described(one: Pictured, divide: Divide, void: int) -> tuple[np.ndarray, np.ndarray, Tensor]:
    """Give the descriptors of a picture's regions, their classes, and the region of each pixel."""
    divided = divide(one.pixels)
    inside = divided >= 0
    kept = divided[inside].unique()  # (n,) rising
    labels = torch.where(inside, torch.searchsorted(kept, divided), -1)
    count = len(kept)
    rows = mean_token(one.pixels[inside].float(), labels[inside], count)
    classes, _ = majority_labels(labels[None].numpy(), one.truth[None], count, void=void)
    return rows.numpy(), classes, labels


def score(data: Set, divide: Divide) -> dict[str, float]:
    """Retrieve the classes of all regions of the scored half."""
    bank = [described(one, divide, data.void)[:2] for one in data.fitted]
    rows, classes = (np.concatenate(part) for part in zip(*bank, strict=True))
    known = classes != data.void
    found = [described(one, divide, data.void) for one in data.scored]
    queries = np.concatenate([descriptors for descriptors, _, _ in found])
    answers = {
        "nearest": retrieve_classes(queries, rows[known], classes[known], neighbours=1)[0],
        "five": retrieve_classes(queries, rows[known], classes[known], neighbours=5)[0],
        "best": np.concatenate([majority for _, majority, _ in found]),
    }
    figures = {"regions": len(queries) / len(data.scored)}
    for name, answer in answers.items():
        own = np.split(answer, np.cumsum([len(majority) for _, majority, _ in found])[:-1])
        parts = [
            drawn_counts(one, labels, classes, data)
            for one, (_, _, labels), classes in zip(data.scored, found, own, strict=True)
        ]
        figures[name] = 100 * miou(sum(parts[1:], parts[0]), np.arange(data.classes))
    return figures


def drawn_counts(one: Pictured, labels: Tensor, classes: np.ndarray, data: Set) -> Confusion:
    """Count the pixels of a picture whose regions were given classes."""
    inside = (labels >= 0).numpy()
    drawn = classes[labels.numpy()[inside]]
    return confusion(drawn, one.truth[inside], data.classes, data.classes, void=data.void)


def measure(data: Set, args: argparse.Namespace, told: Callable[[Cells], None]) -> list[Cells]:
    """Score every method with every k and seed."""
    rows: list[Cells] = []

    def add(method: str, k: int, seed: int, divide: Divide) -> None:
        rows.append(Cells(method, k, seed, **score(data, divide)))
        told(rows[-1])

    for k in args.concepts:
        for seed in args.seeds:
            generator = trained(data.fitted, k, seed, args.steps)
            for rounds in (0, 10):
                name = "ACG" if rounds == 0 else f"ACG, {rounds} rounds"
                add(name, k, seed, partial(by_concepts, generator, rounds))
        for method in args.methods:
            for seed in args.seeds[:1] if method in SEEDLESS else args.seeds:
                add(method, k, seed, partial(by_clustering, method, k, seed))
    add("single pixels", SINGLE_PIXELS, 0, some_pixels)
    return rows


def table(rows: Sequence[Cells]) -> list[list[str]]:
    """Average over the seeds: one line for each method and k, with the standard deviation."""
    lines = []
    for method, k in dict.fromkeys((row.method, row.k) for row in rows):
        same = [row for row in rows if (row.method, row.k) == (method, k)]
        regions = np.mean([row.regions for row in same])
        parts = [
            np.array([getattr(row, name) for row in same]) for name in ("nearest", "five", "best")
        ]
        shown = [f"{p.mean():.1f}" + (f" +- {p.std():.1f}" if len(p) > 1 else "") for p in parts]
        lines.append([method, str(k), f"{regions:.1f}", *shown])
    return lines


def write(rows: Sequence[Cells], stem: Path) -> None:
    """Write the rows as CSV, and 1-NN over the regions of a picture as a figure."""
    with stem.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Cells)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    series = {}
    for method in dict.fromkeys(row.method for row in rows if row.method != "single pixels"):
        own = [row for row in rows if row.method == method]
        series[method] = [
            tuple(np.mean([(r.regions, r.nearest) for r in own if r.k == k], axis=0))
            for k in dict.fromkeys(row.k for row in own)
        ]
    save_figure(draw_lines(series, "regions of a picture", "1-NN mIoU, per cent"), stem)


def main() -> None:
    """Read the settings, measure every set, print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default=Path("retrieval"))
    add_sets(parser)
    parser.add_argument("--methods", nargs="+", default=["kmeans"], help="clusterings (kmeans)")
    parser.add_argument("--concepts", type=int, nargs="+", default=[8, 16, 32], help="k (8 16 32)")
    parser.add_argument("--steps", type=int, default=300, help="of each generator (300)")
    parser.add_argument("--images", type=int, default=0, help="of each half, 0 = all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()

    args.out.mkdir(parents=True, exist_ok=True)
    model = ACSeg.load(device="cpu")
    for name in set_names(args):
        data = read_set(model, args.root, name, args.images)
        rows = measure(data, args, lambda row: print(row, file=sys.stderr, flush=True))
        write(rows, args.out / name)
        print(f"| {name} | k | regions | 1-NN | 5-NN | best possible |\n|---|---|---|---|---|---|")
        print("\n".join("| " + " | ".join(line) + " |" for line in table(rows)), flush=True)


if __name__ == "__main__":
    main()
