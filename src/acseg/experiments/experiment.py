"""One row of a recipe with one seed: fitted on one split, scored on the other."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from acseg.classes.retrieval import majority_labels
from acseg.classes.text import load_text_image_model
from acseg.collection.fingerprint import fingerprint
from acseg.drawing import Conceptualized
from acseg.errors import DataError
from acseg.evaluation.collection import fit_pixel_clusters, pixel_scores
from acseg.evaluation.datasets import DataSet, open_dataset
from acseg.evaluation.protocols import (
    evaluate_collection,
    evaluate_images,
    evaluate_overcluster,
)
from acseg.evaluation.results import ImageResult, SetResult
from acseg.experiments.classifiers import (
    ByClusters,
    ByLinearProbe,
    ByRetrieval,
    ByText,
    Classifier,
    Described,
)
from acseg.experiments.conceptualizers import from_labels
from acseg.experiments.drawing import draw_regions
from acseg.experiments.memo import Shared
from acseg.experiments.pictures import Opened, open_pictures, split_key
from acseg.experiments.recipe import Recipe, Row
from acseg.experiments.regions import RegionFinder
from acseg.model import ACSeg
from acseg.settings import Settings

Progress = Callable[[str, int, int, str], None]
Draw = Callable[[Opened], NDArray[np.int64]]


def silent(task: str, done: int, of: int, note: str) -> None:
    """Tell nobody how far the work is."""


class Experiment:
    """One row of a recipe with one seed.

    Parameters
    ----------
    recipe : Recipe
    row : Row
    root : Path
        Folder of the data set.
    seed : int
    images : int
        At most so many pictures of each split, evenly spread; 0 for all.
    device : str
    shared : Shared, optional
        What rows of one run give each other. Default: nothing comes from others.
    progress : callable
        Told (task, done, of, note).

    Attributes
    ----------
    failed : dict of str to str
        Reason of each picture that could not be read.

    Raises
    ------
    DataError
        If the data set is not there.
    BackboneError
        If the backbone or the text model cannot be loaded.
    """

    def __init__(
        self,
        recipe: Recipe,
        row: Row,
        root: Path,
        *,
        seed: int = 0,
        images: int = 0,
        device: str = "auto",
        shared: Shared | None = None,
        progress: Progress = silent,
    ) -> None:
        self.row = row
        self.seed = seed
        self.failed: dict[str, str] = {}
        self._progress = progress
        self._data = open_dataset(recipe.data, root, recipe.score, crop=recipe.crop)
        self._fitted = open_dataset(recipe.data, root, recipe.fit)
        self._images = images
        self._classes = len(self._data.classes) if row.classes is None else row.classes
        background = row.classify == "clusters" and row.method != "pixels"
        own = {f.name: getattr(row, f.name) for f in fields(Settings) if hasattr(row, f.name)}
        own |= {"classes": self._classes, "concepts": row.k, "seed": seed}
        own |= {} if background else {"foreground": "none"}
        self._model = ACSeg(**own, device=device)
        _ = self._model.backbone  # what cannot be loaded is said before the long work
        self._device = device
        self._finder = RegionFinder(
            row,
            self._model,
            (*split_key(self._fitted), images),
            seed=seed,
            shared=shared or Shared(),
        )

    def run(self) -> tuple[SetResult | ImageResult, dict[str, float]]:
        """Fit, score, and give the result with its figures: per cent, and images a second."""
        if self.row.method == "acg":
            self._train()
        draw = self._draw_pixels() if self.row.method == "pixels" else self._draw_regions()
        result = self._score(draw)
        figures = {"mIoU": 100 * result.miou}
        if isinstance(result, SetResult):
            figures["pixel accuracy"] = 100 * result.accuracy
        else:
            figures["covering"] = 100 * result.covering
            figures["concepts"] = result.mean_clusters
        if self._finder.watch is not None:
            figures["images/s"] = self._finder.watch.rate
        return result, figures

    def fingerprint(self) -> str:
        """Sum up what the figures depend on: weights, settings, pictures by their names."""
        pictures = [[sample.name for sample in data] for data in (self._fitted, self._data)]
        splits = [(data.name, data.split, data.crop) for data in (self._fitted, self._data)]
        weights = fingerprint(self._model, "concepts", batch=1)
        facts = (weights, self.row.measured(), self._images, splits, pictures)
        return sha256(repr(facts).encode()).hexdigest()[:32]

    def _open(self, data: DataSet, task: str) -> Iterator[Opened]:
        return open_pictures(
            data,
            self.failed,
            images=self._images,
            side=self._model.side,
            multiple=self._model.backbone.patch,
            progress=lambda done, of: self._progress(task, done, of, self.row.name),
        )

    def _train(self) -> None:
        """Train the generator on the fitted split."""
        self._finder.train(
            self._open(self._fitted, "reading pixels"),
            lambda step, steps, loss, used: self._progress(
                "training the generator", step, steps, f"loss {loss:.4f}, {used:.1f} concepts"
            ),
        )

    def _draw_pixels(self) -> Draw:
        """k-means over the pixels of the fitted split, without regions."""

        def pixels() -> Iterator[np.ndarray]:
            for opened in self._open(self._fitted, "reading pixels"):
                yield self._finder.features(opened).tokens[0].cpu().numpy()

        centres = fit_pixel_clusters(pixels(), self._classes, seed=self.seed)

        def draw(opened: Opened) -> NDArray[np.int64]:
            features = self._finder.features(opened)
            scores = pixel_scores(features.tokens[0].cpu().numpy(), centres)  # (N, C)
            kept, nearest = np.unique(scores.argmax(1), return_inverse=True)
            found = from_labels(features, torch.from_numpy(nearest.reshape(-1)))
            found.scores[0] = torch.from_numpy(scores[:, kept]).float()
            return self._drawn(found, opened, kept)

        return draw

    def _draw_regions(self) -> Draw:
        """Regions of each picture, and their classes where the row asks for them."""
        classifier = self._classifier()
        if classifier is not None:
            classifier.fit(self._describe_all())

        def draw(opened: Opened) -> NDArray[np.int64]:
            found = self._finder.regions(opened)
            if classifier is None:
                return self._drawn(found, opened)
            ids = classifier.classify(self._finder.describe(found, opened), found, opened.image)
            return self._drawn(found, opened, ids)

        return draw

    def _drawn(
        self, found: Conceptualized, opened: Opened, ids: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        row = self.row
        return draw_regions(found, opened.picture, ids, upsample=row.upsample, refine=row.refine)

    def _classifier(self) -> Classifier | None:
        row = self.row
        if row.classify == "clusters":
            return ByClusters(self._classes, seed=self.seed)
        if row.classify == "retrieval":
            return ByRetrieval(row.neighbours)
        if row.classify == "linear":
            return ByLinearProbe()
        if row.classify == "text":
            model = load_text_image_model(str(row.text_model), device=self._device)
            return ByText(model, self._data.classes)
        return None

    def _describe_all(self) -> Described:
        """Describe the regions of the fitted split, with their classes where labels are used."""
        if self.row.classify == "text":
            return Described(np.zeros((0, 1), np.float32))
        labelled = self.row.classify in ("retrieval", "linear")
        return self._finder.describe_all(
            lambda: self._described(labelled=labelled), labelled=labelled
        )

    def _described(self, *, labelled: bool) -> Described:
        rows, foreground, labels = [], [], []
        for opened in self._open(self._fitted, "describing regions"):
            found = self._finder.regions(opened)
            described = self._finder.describe(found, opened)
            rows.append(described.descriptors)
            if described.foreground is not None:
                foreground.append(described.foreground)
            if labelled:
                drawn, void = draw_regions(found, opened.picture), self._data.void
                own, _ = majority_labels(drawn, opened.mask, len(found.regions), void=void)
                labels.append(np.where(own == void, 255, own))
        if not rows:
            raise DataError("no picture of the fitted split could be read")
        return Described(
            np.concatenate(rows),
            np.concatenate(foreground) if foreground else None,
            np.concatenate(labels).astype(np.int64) if labelled else None,
        )

    def _score(self, draw: Draw) -> SetResult | ImageResult:
        pairs = ((o.name, draw(o), o.mask) for o in self._open(self._data, "scoring"))
        void, classes = self._data.void, list(self._data.classes)
        if self.row.protocol == "image":
            return evaluate_images(pairs, void=void)
        if self.row.classify != "clusters":
            known: NDArray[Any] = np.arange(len(classes))
            return evaluate_overcluster(
                pairs, mapping=known, n_true=len(classes), classes=classes, void=void
            )
        if self.row.protocol == "overcluster":
            return evaluate_overcluster(pairs, n_true=len(classes), classes=classes, void=void)
        match: Any = self.row.match
        return evaluate_collection(
            pairs, match=match, n_true=len(classes), classes=classes, void=void
        )
