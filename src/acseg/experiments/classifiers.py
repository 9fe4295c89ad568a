"""From region descriptors to classes: the four ways of the paper, behind one interface."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from acseg.classes.clusters import assign_clusters, fit_clusters
from acseg.classes.ids import class_ids, cluster_count
from acseg.classes.linear import LinearProbe, fit_linear
from acseg.classes.retrieval import retrieve_classes
from acseg.classes.text import TextImageModel, classify_by_name, describe_in_text_space
from acseg.drawing import Conceptualized
from acseg.errors import DataError

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Described:
    """Regions of one or many pictures.

    Attributes
    ----------
    descriptors : (R, D) float32
    foreground : (R,) bool, or None without background
    labels : (R,) int64 or None
        Class that covers most of each region, 255 for none; None where no labels are used.
    """

    descriptors: NDArray[np.float32]
    foreground: NDArray[np.bool_] | None = None
    labels: Ids | None = None


class Classifier(Protocol):
    """What turns the regions of a picture into classes."""

    knows_classes: bool
    """Whether its ids are the classes of the data set, so that nothing is matched."""

    def fit(self, regions: Described) -> None:
        """Learn from the regions of the fitted split."""

    def classify(self, regions: Described, found: Conceptualized, image: Tensor) -> Ids:
        """Give each region of a picture its class, (R,)."""


class ByClusters:
    """k-means over the descriptors of the collection; no label is used."""

    knows_classes = False

    def __init__(self, classes: int, *, restarts: int = 10, seed: int = 0) -> None:
        self.classes = classes
        self.restarts = restarts
        self.seed = seed
        self.centres: NDArray[np.float32] | None = None

    def fit(self, regions: Described) -> None:
        """Find the centres of the foreground regions."""
        rows, background = regions.descriptors, regions.foreground is not None
        if regions.foreground is not None:
            rows = rows[regions.foreground]
        count = cluster_count(self.classes, background=background)
        found = fit_clusters(rows, count, restarts=self.restarts, seed=self.seed)
        self.centres = found.centres

    def classify(self, regions: Described, found: Conceptualized, image: Tensor) -> Ids:
        """Give each region its nearest centre; background is class 0."""
        clusters, _ = assign_clusters(regions.descriptors, self.centres)
        return np.asarray(class_ids(clusters, regions.foreground), dtype=np.int64)


class ByRetrieval:
    """k-NN among the labelled regions of the fitted split."""

    knows_classes = True

    def __init__(self, neighbours: int = 1) -> None:
        self.neighbours = neighbours
        self._bank: NDArray[np.float32] | None = None
        self._labels: Ids | None = None

    def fit(self, regions: Described) -> None:
        """Keep the labelled regions."""
        self._bank, self._labels = _labelled(regions)

    def classify(self, regions: Described, found: Conceptualized, image: Tensor) -> Ids:
        """Give each region the majority of its nearest labelled regions."""
        classes, _ = retrieve_classes(
            regions.descriptors, self._bank, self._labels, neighbours=self.neighbours
        )
        return classes


class ByLinearProbe:
    """A linear probe on the labelled regions of the fitted split."""

    knows_classes = True

    def __init__(self) -> None:
        self._probe: LinearProbe | None = None

    def fit(self, regions: Described) -> None:
        """Fit the probe."""
        self._probe = fit_linear(*_labelled(regions))

    def classify(self, regions: Described, found: Conceptualized, image: Tensor) -> Ids:
        """Give each region the class with the largest score."""
        if self._probe is None:
            raise DataError("the probe has not been fitted")
        return self._probe.predict(regions.descriptors)[0]


class ByText:
    """The class whose name is nearest to the region in the space of a text-image model."""

    knows_classes = True

    def __init__(self, model: TextImageModel, names: Sequence[str]) -> None:
        self._model = model
        self._names = model.embed_names(list(names))

    def fit(self, regions: Described) -> None:
        """Need nothing of the fitted split."""

    def classify(self, regions: Described, found: Conceptualized, image: Tensor) -> Ids:
        """Average the model's pixels inside each region, and take the nearest name."""
        patch = self._model.patch
        size = [max(1, round(s / patch)) * patch for s in image.shape[-2:]]
        resized = _resize(image, size)
        seen = self._model.pixels(resized)
        descriptors = describe_in_text_space(found.regions, seen)
        ids, _ = classify_by_name(descriptors, self._names, scale=self._model.scale)
        return ids.cpu().numpy()


def _resize(image: Tensor, size: list[int]) -> Tensor:
    from torch.nn.functional import interpolate

    if list(image.shape[-2:]) == size:
        return image
    return interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)


def _labelled(regions: Described) -> tuple[NDArray[np.float32], Ids]:
    if regions.labels is None:
        raise DataError("retrieval and the linear probe need labelled regions")
    known = regions.labels != 255
    return regions.descriptors[known], regions.labels[known]
