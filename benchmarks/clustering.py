"""Measure per-image clusterings on the same real features: quality of the masks, speed.

    python benchmarks/clustering.py                    # bundled model, all sets at hand
    python benchmarks/clustering.py --sets camvid --images 0 --seeds 0 1 2 --json clustering.json
    python benchmarks/clustering.py --run runs/vits8     # a RUN that `acseg fit` wrote

Every method gets the pixels of one image and gives each a label; labels go to the size of the mask
by nearest neighbour, the same for all. Scores are of protocol P3 (a match inside each image), so
they say nothing about classes. Images per second are of the clustering alone, one image at a time,
on one thread unless --threads says otherwise. Affinity propagation and the like take seconds an
image: a set gives 32 evenly spaced images unless --images says otherwise (0 = all).
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from labelled import add_sets, encode, set_names

from acseg.backbone.load import load_backbone
from acseg.concepts.assignment import assign, concept_scores
from acseg.concepts.merging import concept_affinity, merge_concepts
from acseg.evaluation.baselines import BASELINES, NEEDS_IMAGE, NEEDS_K, cluster
from acseg.evaluation.datasets import DataSet, open_dataset
from acseg.evaluation.protocols import evaluate_images
from acseg.model import ACSeg


@dataclass(frozen=True)
class Scene:
    """One image with its pixels (N, D), the shape of their grid, and the mask (H, W)."""

    name: str
    image: np.ndarray
    pixels: np.ndarray
    grid: tuple[int, int]
    mask: np.ndarray


@dataclass(frozen=True)
class Row:
    """What one method scored on one set with one seed."""

    dataset: str
    method: str
    seed: int
    miou: float
    covering: float
    clusters: float
    images: int
    images_per_second: float


Method = Callable[[Scene, int], np.ndarray]  # scene, seed -> labels (N,)


def read_scenes(data: DataSet, backbone: Any, *, side: int, limit: int) -> list[Scene]:
    """Compute the pixels of evenly spaced images of a set; all of them if the limit is 0."""
    scenes = []
    for index in data.places(limit):
        sample = data[index]
        features = encode(sample, backbone, side)
        pixels = features.tokens[0].float().cpu().numpy()
        scenes.append(Scene(sample.name, sample.image(), pixels, features.grid, sample.mask()))
    return scenes


def methods(names: list[str], ks: list[int], model: ACSeg | None) -> dict[str, Method]:
    """Name every method of the table; those with a fixed number of clusters once for each k."""
    found: dict[str, Method] = {}
    if model is not None:
        found["ACG"] = concepts_of(model, 1.0)
        threshold = model.settings.merge
        if threshold is not None and threshold < 1:
            found[f"ACG, merged above {threshold}"] = concepts_of(model, threshold)
    for name in names:
        for k in ks if name in NEEDS_K else [None]:
            found[name if k is None else f"{name}, k={k}"] = baseline(name, k)
    return found


def concepts_of(model: ACSeg, threshold: float) -> Method:
    """Make the concept generator of a model a method; concepts merge above the threshold."""

    def label(scene: Scene, seed: int) -> np.ndarray:
        pixels = torch.from_numpy(scene.pixels)[None]
        with torch.inference_mode():
            labels = assign(concept_scores(pixels, model.generator_(pixels)))  # (1, N)
            if threshold < 1:
                measured = concept_affinity(pixels, labels, model.settings.concepts)
                labels = merge_concepts(*measured, threshold).gather(1, labels)
        return labels[0].numpy()

    return label


def baseline(name: str, k: int | None) -> Method:
    """Make a baseline with its number of clusters a method."""

    def label(scene: Scene, seed: int) -> np.ndarray:
        image = scene.image if name in NEEDS_IMAGE else None
        return cluster(scene.pixels, name, k=k, seed=seed, grid=scene.grid, image=image)

    return label


def measure(dataset: str, name: str, method: Method, scenes: list[Scene], seed: int) -> Row:
    """Score one method on the scenes of one set."""
    method(scenes[0], seed)  # what is only slow the first time does not count
    labels = []
    start = time.perf_counter()
    for scene in scenes:
        labels.append(method(scene, seed))
    seconds = time.perf_counter() - start
    result = evaluate_images(
        (scene.name, enlarge(found.reshape(scene.grid), scene.mask.shape), scene.mask)
        for scene, found in zip(scenes, labels, strict=True)
    )
    return Row(
        dataset,
        name,
        seed,
        miou=result.miou,
        covering=result.covering,
        clusters=result.mean_clusters,
        images=result.images,
        images_per_second=len(scenes) / seconds,
    )


def enlarge(labels: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Bring labels (h, w) to (H, W) by nearest neighbour."""
    rows, columns = (
        np.arange(side) * cells // side for side, cells in zip(size, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


def table(rows: list[Row]) -> str:
    """Draw one Markdown table for each set: means over the seeds, with the spread of the mIoU."""
    parts = []
    for dataset in dict.fromkeys(row.dataset for row in rows):
        here = [row for row in rows if row.dataset == dataset]
        parts += [
            f"### {dataset}, {here[0].images} images, P3",
            "",
            "| method | mIoU | covering | clusters | images/s |",
            "|---|---|---|---|---|",
        ]
        for method in dict.fromkeys(row.method for row in here):
            same = [row for row in here if row.method == method]
            miou = [100 * row.miou for row in same]
            spread = f" +- {np.std(miou):.1f}" if len(same) > 1 else ""
            parts.append(
                f"| {method} | {np.mean(miou):.1f}{spread} "
                f"| {100 * np.mean([row.covering for row in same]):.1f} "
                f"| {np.mean([row.clusters for row in same]):.2f} "
                f"| {np.mean([row.images_per_second for row in same]):.3g} |"
            )
        parts.append("")
    return "\n".join(parts)


def main() -> None:
    """Read the settings, measure every method on every set, print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_sets(parser)
    parser.add_argument("--run", help="RUN whose backbone and generator are measured (bundled)")
    parser.add_argument("--no-acg", action="store_true", help="measure the baselines alone")
    parser.add_argument("--backbone", default="bundled", help="with --no-acg: whose pixels")
    parser.add_argument("--methods", nargs="+", default=list(BASELINES), choices=list(BASELINES))
    parser.add_argument("--k", type=int, nargs="+", default=[2, 3, 5, 8])
    parser.add_argument("--side", type=int, help="short side of the image (that of the RUN)")
    parser.add_argument("--images", type=int, default=32, help="images of each set, 0 = all (32)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write every row here, too")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    if args.no_acg:
        model, backbone = None, load_backbone(args.backbone, device="cpu")
        side = args.side or 28 * backbone.patch
    else:
        model = ACSeg.load(args.run, device="cpu")
        backbone = model.backbone
        side = args.side or model.side
    rows: list[Row] = []
    for name in set_names(args):
        data = open_dataset("folder", args.root / name, "all")
        scenes = read_scenes(data, backbone, side=side, limit=args.images)
        for label, method in methods(args.methods, args.k, model).items():
            rows += [measure(name, label, method, scenes, seed) for seed in args.seeds]
            print(f"{name}: {label} {100 * rows[-1].miou:.1f}", flush=True)
        if args.json:
            args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    print()
    print(table(rows))


if __name__ == "__main__":
    main()
