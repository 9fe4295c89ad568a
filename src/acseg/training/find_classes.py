"""The classes of a collection, from the leaves of its pictures: seconds, without a backbone."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acseg.classes.choose import choose_classes
from acseg.classes.clusters import fit_clusters
from acseg.classes.foreground import AGREEMENT, background_agrees
from acseg.classes.ids import cluster_count
from acseg.classes.regions import Regions, unpack_leaves
from acseg.errors import DataError
from acseg.model.settings import Settings
from acseg.output.atomic import write_atomic
from acseg.training.store import Store

log = logging.getLogger("acseg")

MOST_DESCRIPTORS = 100_000  # for k-means; of more regions, that many are drawn


@dataclass(frozen=True)
class Found:
    """The classes that were found.

    Attributes
    ----------
    centres : (C, D) float32
    foreground : "sum", "mean" or "none"
        What was decided.
    curve : list of (int, float)
        Candidates for the number of clusters with their scores; empty where it was given.
    parts : float
        Regions in a picture, on average.
    """

    centres: NDArray[np.float32]
    foreground: str
    curve: list[tuple[int, float]]
    parts: float

    def write_curve(self, folder: Path) -> None:
        """Write classes.json of a model folder."""
        table = {"criterion": "held-out confidence of the clusters", "curve": self.curve}
        write_atomic(folder / "classes.json", json.dumps(table, indent=1) + "\n")


def find_classes(settings: Settings, means: Store, facts: Store) -> Found:
    """Cluster the regions of a collection.

    Parameters
    ----------
    settings : Settings
        n_classes, foreground, n_init, granularity and seed count.
    means, facts : Store
        Of `acseg.training.passes.describe`.

    Raises
    ------
    DataError
        If there are too few regions for so many classes.
    """
    own = settings.classifying
    pictures = [_regions(means, facts, i, settings) for i in facts.present().tolist()]
    if not pictures:
        raise DataError("no picture could be described")
    foreground = decide_foreground(pictures) if own.foreground == "auto" else own.foreground
    kept = [_foreground_rows(regions, foreground) for regions in pictures]
    rows = np.concatenate([rows for rows, _ in kept])
    weights = np.concatenate([weights for _, weights in kept])
    if len(rows) > MOST_DESCRIPTORS:
        random = np.random.default_rng(settings.seed)
        some = np.sort(random.permutation(len(rows))[:MOST_DESCRIPTORS])
        rows, weights = rows[some], weights[some]
    curve: list[tuple[int, float]] = []
    if own.n_classes == "auto":
        try:
            choice = choose_classes(rows, seed=settings.seed)
            clusters, curve = choice.classes, list(choice.curve)
        except DataError as error:  # a handful of pictures
            log.warning("%s; all regions become one class", error)
            clusters = 1
    else:
        clusters = cluster_count(int(own.n_classes), background=foreground != "none")
    found = fit_clusters(rows, clusters, weights=weights, restarts=own.n_init, seed=settings.seed)
    parts = float(np.mean([len(regions.size) for regions in pictures]))
    return Found(found.centres, foreground, curve, parts)


def decide_foreground(pictures: list[Regions]) -> str:
    """Decide whether a collection has a background: "mean", or "none" where nothing says so.

    Attention alone can be upside down. So a background class is made only where, in most pictures,
    what the backbone does not attend to is what lies around the rest.
    """
    votes = [background_agrees(p.size, p.attention, p.border) for p in pictures]
    votes = [vote for vote in votes if vote is not None]
    agreed = sum(bool(vote) for vote in votes)
    if votes and agreed >= AGREEMENT * len(votes):
        log.info("class 0 is the background: attention and layout agree in most pictures")
        return "mean"
    log.info(
        "no background class: attention and layout agree in %d of %d pictures", agreed, len(votes)
    )
    return "none"


def _regions(means: Store, facts: Store, i: int, settings: Settings) -> Regions:
    leaves = unpack_leaves(np.asarray(means.rows[i]), np.asarray(facts.rows[i]))
    return leaves.regions(settings.dividing.granularity)


def _foreground_rows(regions: Regions, foreground: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give descriptors and weights of the regions that are not background."""
    front = regions.foreground(foreground)
    chosen = slice(None) if front is None else front
    return regions.descriptors[chosen].numpy(), regions.size[chosen].sqrt().numpy()
