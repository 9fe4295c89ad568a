"""Rows that see a whole set at once: classes of a collection (P1), retrieval, linear probe."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from acseg.classes.clusters import assign_clusters, fit_clusters
from acseg.concepts.assignment import upsample_assignment
from acseg.concepts.guided import draw_labels
from acseg.evaluation.confusion import VOID, Confusion, confusion
from acseg.evaluation.matching import hungarian
from acseg.evaluation.scores import accuracy, miou
from research.divisions import Divisions
from research.encode import Encoded
from research.linear import fit_linear
from research.recipe import Row
from research.retrieval import majority_labels, retrieve_classes
from research.token_clusters import fit_pixel_clusters, pixel_scores

DRAWS = 500  # of the bootstrap over pictures
PER_IMAGE = 256  # tokens of each picture that k-means sees


@dataclass(frozen=True)
class Described:
    """One picture in regions: which one each pixel is in, (H, W), and what stands for each."""

    regions: NDArray[np.uint8]
    mask: NDArray[np.int64]
    descriptors: NDArray[np.float32]
    sizes: NDArray[np.float32]


def describe(
    pictures: Iterable[Encoded], row: Row, blocks: Sequence[int], divisions: Divisions
) -> list[Described]:
    """Divide and draw pictures."""
    found = []
    for one in pictures:
        parts = divisions.divide(one.of(blocks), row)
        drawn = parts.draw(one.picture, edges=row.edges)
        rows = parts.descriptors.numpy()
        found.append(Described(drawn, one.mask, rows, parts.sizes.numpy()))
    return found


def cluster_regions(
    fit: Sequence[Described], score: Sequence[Described], classes: int, seed: int
) -> list[Confusion]:
    """P1: k-means over the regions of `fit`, each by the root of its area; drawn on `score`."""
    weights = np.sqrt(np.concatenate([one.sizes for one in fit]))
    rows = np.concatenate([one.descriptors for one in fit])
    centres = fit_clusters(rows, classes, weights=weights, seed=seed).centres
    return [
        confusion(assign_clusters(one.descriptors, centres)[0][one.regions], one.mask, classes)
        for one in score
    ]


def cluster_tokens(
    fit: Iterable[Encoded],
    score: Iterable[Encoded],
    row: Row,
    blocks: Sequence[int],
    classes: int,
    seed: int,
) -> list[Confusion]:
    """P1: k-means over the tokens of `fit`; scores of `score` are upsampled, then compared."""
    tokens = (one.of(blocks).tokens[0].numpy() for one in fit)
    centres = fit_pixel_clusters(tokens, classes, seed=seed, per_image=PER_IMAGE)
    found = []
    for one in score:
        features = one.of(blocks)
        scores = torch.from_numpy(pixel_scores(features.tokens[0].numpy(), centres)).float()
        if row.edges:
            image = torch.from_numpy(np.ascontiguousarray(one.picture)).permute(2, 0, 1)
            labels = draw_labels(scores.T.reshape(classes, *features.grid), image).numpy()
        else:
            height, width = one.mask.shape
            drawn, kept = upsample_assignment(scores, features.grid, (height, width))
            labels = kept[drawn].numpy()
        found.append(confusion(labels, one.mask, classes))
    return found


def classify_regions(
    fit: Sequence[Described], score: Sequence[Described], protocol: str
) -> list[Confusion]:
    """Learn the majority class of the regions of `fit`; drawn on `score`, class by class."""
    labels = np.concatenate(
        [majority_labels(one.regions, one.mask, len(one.sizes))[0] for one in fit]
    )
    known = labels != VOID
    bank, labels = np.concatenate([one.descriptors for one in fit])[known], labels[known]
    probe = fit_linear(bank, labels) if protocol == "linear" else None
    found = []
    for one in score:
        if probe is None:
            near = int(protocol.removesuffix("-NN"))
            ids, _ = retrieve_classes(one.descriptors, bank, labels, neighbours=near)
        else:
            ids, _ = probe.predict(one.descriptors)
        found.append(confusion(ids[one.regions], one.mask))
    return found


def scored(matrices: Sequence[Confusion], *, match: bool) -> dict[str, Any]:
    """Score the pictures of a set together, with 95 % of the bootstrap over pictures.

    One Hungarian match on pixels for the whole set, found anew in every draw; without `match`
    class n is class n.
    """
    blank = sum(matrices, Confusion(np.zeros((0, 0), np.int64), np.zeros(0, np.int64)))
    size = max(blank.counts.shape)  # more classes than are there change nothing
    empty = Confusion(np.zeros((size, size), np.int64), np.zeros(size, np.int64))
    alike = [empty + one for one in matrices]
    counts = np.stack([one.counts for one in alike])  # (pictures, K, C)
    missed = np.stack([one.missed for one in alike])

    def score(share: NDArray[Any]) -> tuple[float, float]:
        whole = Confusion(np.tensordot(share, counts, 1), share @ missed)
        mapping = hungarian(whole) if match else np.arange(size)
        return 100 * accuracy(whole, mapping), 100 * miou(whole, mapping)

    once = np.ones(len(alike), np.int64)
    random = np.random.default_rng(0)
    draws = random.multinomial(len(alike), once / len(alike), size=DRAWS)
    low, high = np.percentile([score(draw)[1] for draw in draws], [2.5, 97.5])
    right, mean = score(once)
    return {"accuracy": right, "mIoU": mean, "low": low, "high": high, "pictures": len(alike)}
