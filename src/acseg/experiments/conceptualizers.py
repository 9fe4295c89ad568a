"""From a picture to its regions, by the ACG or by another clustering."""

import time
from dataclasses import replace
from types import TracebackType

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from acseg.backbone.features import Features
from acseg.classes.descriptors import mean_token
from acseg.classes.regions import find_regions
from acseg.drawing import Conceptualized
from acseg.evaluation.baselines import cluster

SEEDLESS = frozenset({"agglomerative", "ncut", "felzenszwalb", "slic"})
"""Clusterings that draw nothing at random: all seeds find the same."""


def mirrored(features: Features, other: Features) -> Features:
    """Average the features of a batch with those of its mirror images."""

    def back(values: Tensor) -> Tensor:  # (B, N, ...)
        return values.unflatten(1, features.grid).flip(2).flatten(1, 2)

    return replace(
        features,
        tokens=(features.tokens + back(other.tokens)) / 2,
        attention=(features.attention + back(other.attention)) / 2,
    )


def cluster_features(
    features: Features, picture: np.ndarray, method: str, *, k: int, seed: int
) -> Tensor:
    """Cluster the pixels of one picture by a method of `acseg.evaluation.baselines`.

    Parameters
    ----------
    features : Features
        Of one image.
    picture : (H, W, 3) uint8
    method : str
    k : int
        Clusters, for the methods that need to be told.
    seed : int

    Returns
    -------
    (N,) int64
        On the device of the features.
    """
    labels = cluster(
        features.tokens[0].float().cpu().numpy(),
        method,
        k=k,
        seed=seed,
        grid=features.grid,
        image=picture,
    )
    return torch.from_numpy(labels).to(features.tokens.device)


def from_labels(features: Features, labels: Tensor) -> Conceptualized:
    """Take the clusters (N,) of one image's pixels as its concepts, each the mean of its pixels.

    The scores are 1 for a pixel's own cluster and 0 for the others.
    """
    count = int(labels.max()) + 1
    scores = F.one_hot(labels, count)[None].float()  # (1, N, k)
    concepts = mean_token(features.tokens[0], labels, count)[None]  # (1, k, D)
    regions = find_regions(labels.view(1, *features.grid))
    return Conceptualized(features, concepts, scores, regions)


class Stopwatch:
    """Time the step from pixels to regions: ``with watch:`` around one picture adds its seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pictures = 0
        self._begun = 0.0

    def __enter__(self) -> None:
        self._begun = _now()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds += _now() - self._begun
        self.pictures += 1

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.pictures / self.seconds if self.seconds else float("inf")


def _now() -> float:
    """Tell the time when all that was asked of a GPU is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
