"""From a picture to described regions as a row asks for, sharing with other rows what is alike."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from acseg.backbone.features import Features
from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.drawing import Conceptualized
from acseg.errors import DataError
from acseg.experiments.classifiers import Described
from acseg.experiments.conceptualizers import (
    SEEDLESS,
    Stopwatch,
    cluster_features,
    from_labels,
    mirrored,
)
from acseg.experiments.memo import Memo, Shared
from acseg.experiments.objectives import OBJECTIVES
from acseg.experiments.pictures import Opened
from acseg.experiments.recipe import Row
from acseg.model import ACSeg
from acseg.training.loop import TRAINING, fit_generator
from acseg.training.loop import Progress as TrainingProgress

Key = tuple[Hashable, ...]

LATER = ("classes", "foreground", "descriptor", "crop_side", "restarts", "cache_gigabytes")
"""Settings of what comes after the regions; any other may change them."""


class RegionFinder:
    """Features, regions and descriptors of pictures for one row with one seed.

    Each is kept under a key of all that it depends on, so that a row that shares it with an
    earlier one gets the very same.

    Parameters
    ----------
    row : Row
    model : ACSeg
        Gives the backbone, and gets the generator.
    fitted : tuple
        What tells the pictures that the generator is trained on from others.
    seed : int
    shared : Shared
    """

    def __init__(self, row: Row, model: ACSeg, fitted: Key, *, seed: int, shared: Shared) -> None:
        self.watch = Stopwatch() if row.figure == "images/s" else None
        self._row = row
        self._model = model
        self._fitted = fitted
        self._seed = seed
        self._shared = shared

    @property
    def encoding(self) -> Key:
        """What tells the features of this row from those of another."""
        settings = self._model.settings
        return settings.backbone, settings.block, settings.stride, self._model.side

    @property
    def training(self) -> Key:
        """What tells the generator of this row from that of another."""
        settings = self._model.settings
        own = (getattr(settings, name) for name in TRAINING)
        return self._row.objective, *own, *self._fitted, *self.encoding

    @property
    def grouping(self) -> Key:
        """What tells the regions of this row from those of another."""
        row, settings = self._row, self._model.settings
        if row.method == "acg":
            own = (getattr(settings, f.name) for f in fields(settings) if f.name not in LATER)
            return row.method, row.flip, row.objective, *own, *self._fitted, *self.encoding
        seed = None if row.method in SEEDLESS else self._seed
        return row.method, row.flip, row.k, seed, *self.encoding

    @property
    def describing(self) -> Key:
        """What tells the descriptors of this row from those of another."""
        settings = self._model.settings
        return settings.descriptor, settings.foreground, *self.grouping

    def features(self, opened: Opened, *, flip: bool = False) -> Features:
        """Encode a picture; with `flip` as the average with its mirror image."""

        def encode() -> Features:
            backbone = self._model.backbone
            if not flip:
                return backbone(opened.image)
            return mirrored(self.features(opened), backbone(opened.image.flip(-1)))

        return self._shared.features.get((flip, *self.encoding, *opened.key), encode)

    def train(self, pictures: Iterator[Opened], progress: TrainingProgress) -> None:
        """Train the generator on pixels of the fitted pictures.

        Raises
        ------
        DataError
            If there is no picture.
        """
        self._model.generator_ = self._shared.generators.get(
            self.training, lambda: self._trained(pictures, progress)
        )

    def _trained(
        self, pictures: Iterator[Opened], progress: TrainingProgress
    ) -> AdaptiveConceptGenerator:
        settings = self._model.settings
        pixels = (self.features(opened).tokens[0].half() for opened in pictures)
        rows = draw_rows(pixels, settings.sample, seed=self._seed)
        generator, _ = fit_generator(
            rows,
            np.arange(len(rows)),
            settings,
            device=self._model.backbone.device,
            objective=OBJECTIVES[self._row.objective],
            progress=progress,
        )
        return generator

    def regions(self, opened: Opened) -> Conceptualized:
        """Find the regions of a picture; where speed is the figure, always anew and timed."""
        features = self.features(opened, flip=self._row.flip)
        if self.watch is None:
            return self._grouped(features, opened, self._shared.found)
        with self.watch:
            return self._grouped(features, opened, Memo(0))

    def _grouped(self, features: Features, opened: Opened, memo: Memo) -> Conceptualized:
        row, key = self._row, ("regions", *self.grouping, *opened.key)
        if row.method == "acg":

            def generate() -> tuple[Any, ...]:
                found = self._model.conceptualize_features(features)
                return found.concepts, found.scores, found.regions

            return Conceptualized(features, *memo.get(key, generate))

        def labels() -> Any:
            return cluster_features(features, opened.picture, row.method, k=row.k, seed=self._seed)

        return from_labels(features, memo.get(key, labels))

    def describe(self, found: Conceptualized, opened: Opened) -> Described:
        """Describe the regions of a picture, and say which are foreground."""

        def compute() -> Described:
            foreground = self._model.foreground(found)
            return Described(
                self._model.describe(found, opened.image).float().cpu().numpy(),
                None if foreground is None else foreground.cpu().numpy(),
            )

        key = ("described", *self.describing, *opened.key)
        return self._shared.found.get(key, compute)

    def describe_all(self, compute: Callable[[], Described], *, labelled: bool) -> Described:
        """Describe the regions of the fitted split by `compute`, once for all rows alike."""
        key = ("all described", labelled, *self._fitted, *self.describing)
        return self._shared.found.get(key, compute)


def draw_rows(pictures: Iterable[Tensor], sample: int, *, seed: int) -> NDArray[Any]:
    """Draw the pixels that a generator is trained on, as many of each picture.

    Parameters
    ----------
    pictures : iterable of (N, D) tensors
        Pixels of each picture; N may differ. Where it is below `sample`, some are taken again.
    sample : int
        Pixels of each picture; 196 to 1600.
    seed : int

    Returns
    -------
    (M, sample, D), of the type of the pixels

    Raises
    ------
    DataError
        If there is no picture.
    """
    random = np.random.default_rng(seed)
    rows = []
    for picture in pictures:
        pixels = picture.cpu().numpy()
        drawn = random.permutation(len(pixels))[:sample]
        rows.append(np.resize(pixels[drawn], (sample, pixels.shape[1])))
    if not rows:
        raise DataError("no picture of the fitted split could be read")
    return np.stack(rows)
