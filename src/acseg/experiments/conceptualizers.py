"""From a picture to its regions, by the ACG or by another clustering, behind one call."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from acseg.backbone.features import Features
from acseg.classes.descriptors import mean_token
from acseg.classes.regions import find_regions
from acseg.drawing import Conceptualized
from acseg.evaluation.baselines import cluster
from acseg.model import ACSeg

Conceptualize = Callable[[np.ndarray, Tensor], Conceptualized]


def make_conceptualizer(
    model: ACSeg, method: str, *, k: int, seed: int, flip: bool = False
) -> Conceptualize:
    """Make the step from a picture to its regions.

    Parameters
    ----------
    model : ACSeg
        Gives the backbone, and for "acg" the trained generator.
    method : str
        "acg" or a name of `acseg.evaluation.baselines.BASELINES`.
    k : int
        Clusters of a picture, for the methods that need to be told.
    seed : int
    flip : bool
        Average the pixels of a picture and its mirror image.

    Returns
    -------
    callable
        (picture (H, W, 3) uint8, image (1, 3, h, w)) to Conceptualized.
    """

    def conceptualize(picture: np.ndarray, image: Tensor) -> Conceptualized:
        features = model.backbone(image)
        if flip:
            features = mirrored(features, model.backbone(image.flip(-1)))
        if method == "acg":
            return model.conceptualize_features(features)
        labels = cluster(
            features.pixels[0].float().cpu().numpy(),
            method,
            k=k,
            seed=seed,
            grid=features.grid,
            image=picture,
        )
        return from_labels(features, torch.from_numpy(labels).to(features.pixels.device))

    return conceptualize


def mirrored(features: Features, other: Features) -> Features:
    """Average the features of a batch with those of its mirror images."""

    def back(values: Tensor) -> Tensor:  # (B, N, ...)
        return values.unflatten(1, features.grid).flip(2).flatten(1, 2)

    return replace(
        features,
        pixels=(features.pixels + back(other.pixels)) / 2,
        attention=(features.attention + back(other.attention)) / 2,
    )


def from_labels(features: Features, labels: Tensor) -> Conceptualized:
    """Take the clusters (N,) of one image's pixels as its concepts, each the mean of its pixels.

    The scores are 1 for a pixel's own cluster and 0 for the others.
    """
    count = int(labels.max()) + 1
    scores = F.one_hot(labels, count)[None].float()  # (1, N, k)
    concepts = mean_token(features.pixels[0], labels, count)[None]  # (1, k, D)
    regions = find_regions(labels.view(1, *features.grid))
    return Conceptualized(features, concepts, scores, regions)


class Stopwatch:
    """Time a conceptualizer without its backbone: seconds in all, pictures in all."""

    def __init__(self, model: ACSeg) -> None:
        self.seconds = 0.0
        self.pictures = 0
        self._model = model

    def around(self, conceptualize: Conceptualize) -> Conceptualize:
        """Wrap a conceptualizer so that its time is added up."""

        def timed(picture: np.ndarray, image: Tensor) -> Conceptualized:
            begun = time.perf_counter()
            self._model.backbone(image)
            encoded = time.perf_counter()
            found = conceptualize(picture, image)
            self.seconds += max(0.0, time.perf_counter() - encoded - (encoded - begun))
            self.pictures += 1
            return found

        return timed

    @property
    def rate(self) -> float:
        """Pictures a second, the backbone not counted."""
        return self.pictures / self.seconds if self.seconds else float("inf")
