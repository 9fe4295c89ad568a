"""Running a recipe: each row with each seed, fitted on one split and scored on the other."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from acseg.classes.retrieval import majority_labels
from acseg.classes.text import load_text_image_model
from acseg.drawing import Conceptualized
from acseg.errors import DataError, ImageError
from acseg.evaluation.collection import fit_pixel_clusters, pixel_scores
from acseg.evaluation.datasets import DataSet, open_dataset
from acseg.evaluation.datasets.base import Sample
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
from acseg.experiments.conceptualizers import (
    Conceptualize,
    Stopwatch,
    from_labels,
    make_conceptualizer,
)
from acseg.experiments.drawing import draw_regions
from acseg.experiments.objectives import OBJECTIVES
from acseg.experiments.recipe import Recipe, Row
from acseg.images.batch import to_tensor
from acseg.model import ACSeg
from acseg.training.loop import fit_generator

Progress = Callable[[str, int, int, str], None]
Opened = tuple[str, np.ndarray, torch.Tensor, np.ndarray]  # name, picture, (1, 3, h, w), mask


def _silent(task: str, done: int, of: int, note: str) -> None:
    return


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
    progress : callable
        Told (task, done, of, note).

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
        progress: Progress = _silent,
    ) -> None:
        self.row = row
        self.seed = seed
        self.failed: list[tuple[str, str]] = []
        self._progress = progress
        self._data = open_dataset(recipe.data, root, recipe.score, crop=recipe.crop)
        self._fitted = open_dataset(recipe.data, root, recipe.fit)
        self._images = images
        classes = len(self._data.classes) if row.classes is None else row.classes
        background = row.classify == "clusters" and row.method != "pixels"
        self._model = ACSeg(
            row.backbone,
            classes=classes,
            concepts=row.k,
            merge=row.merge,
            steps=row.steps,
            batch=row.batch,
            learning_rate=row.learning_rate,
            self_affinity=row.self_affinity,
            side=row.side,
            stride=row.stride,
            block=row.block,
            descriptor=row.descriptor,
            foreground=row.foreground if background else "none",
            seed=seed,
            device=device,
        )
        _ = self._model.backbone  # what cannot be loaded is said before the long work
        self._watch = Stopwatch(self._model)
        self._classes = classes
        self._device = device

    def run(self) -> tuple[SetResult | ImageResult, dict[str, float]]:
        """Fit, score, and give the result with its figures: per cent, and images a second."""
        if self.row.method == "acg":
            self._train()
        if self.row.method == "pixels":
            result = self._score(self._draw_pixels())
        else:
            result = self._score(self._draw_regions())
        return result, self._figures(result)

    def _figures(self, result: SetResult | ImageResult) -> dict[str, float]:
        figures = {"mIoU": 100 * result.miou}
        if isinstance(result, SetResult):
            figures["pixel accuracy"] = 100 * result.accuracy
        else:
            figures["covering"] = 100 * result.covering
            figures["concepts"] = result.mean_clusters
        if self._watch.pictures:
            figures["images/s"] = self._watch.rate
        return figures

    def _train(self) -> None:
        """Train the generator on pixels of the fitted split."""
        settings = self._model.settings
        random = np.random.default_rng(self.seed)
        rows = []
        for _, _, image, _ in self._open(self._fitted, "reading pixels"):
            pixels = self._model.backbone(image).pixels[0].half().cpu().numpy()
            drawn = random.permutation(len(pixels))[: settings.sample]
            rows.append(np.resize(pixels[drawn], (settings.sample, pixels.shape[1])))
        if not rows:
            raise DataError("no picture of the fitted split could be read")
        self._model.generator_, _ = fit_generator(
            np.stack(rows),
            np.arange(len(rows)),
            settings,
            device=self._model.backbone.device,
            objective=OBJECTIVES[self.row.objective],
            progress=lambda step, steps, loss, used: self._progress(
                "training the generator", step, steps, f"loss {loss:.4f}, {used:.1f} concepts"
            ),
        )

    def _draw_pixels(self) -> Callable[[np.ndarray, torch.Tensor], NDArray[np.int64]]:
        """k-means over the pixels of the fitted split, without regions."""

        def pixels() -> Iterator[np.ndarray]:
            for _, _, image, _ in self._open(self._fitted, "reading pixels"):
                yield self._model.backbone(image).pixels[0].cpu().numpy()

        centres = fit_pixel_clusters(pixels(), self._classes, seed=self.seed)

        def draw(picture: np.ndarray, image: torch.Tensor) -> NDArray[np.int64]:
            features = self._model.backbone(image)
            scores = pixel_scores(features.pixels[0].cpu().numpy(), centres)  # (N, C)
            nearest = torch.from_numpy(scores.argmax(1))
            found = from_labels(features, torch.unique(nearest, return_inverse=True)[1])
            kept = np.unique(scores.argmax(1))
            found.scores[0] = torch.from_numpy(scores[:, kept]).float()
            return draw_regions(
                found, picture, kept, upsample=self.row.upsample, refine=self.row.refine
            )

        return draw

    def _draw_regions(self) -> Callable[[np.ndarray, torch.Tensor], NDArray[np.int64]]:
        """Regions of each picture, and their classes where the row asks for them."""
        row = self.row
        conceptualize = make_conceptualizer(
            self._model, row.method, k=row.k, seed=self.seed, flip=row.flip
        )
        classifier = self._classifier()
        if classifier is not None:
            classifier.fit(self._describe_all(conceptualize))
        timed = self._watch.around(conceptualize) if row.figure == "images/s" else conceptualize

        def draw(picture: np.ndarray, image: torch.Tensor) -> NDArray[np.int64]:
            found = timed(picture, image)
            if classifier is None:
                return draw_regions(found, picture, upsample=row.upsample, refine=row.refine)
            ids = classifier.classify(self._describe(found, image), found, image)
            return draw_regions(found, picture, ids, upsample=row.upsample, refine=row.refine)

        return draw

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

    def _describe(self, found: Conceptualized, image: torch.Tensor) -> Described:
        foreground = self._model.foreground(found)
        return Described(
            self._model.describe(found, image).float().cpu().numpy(),
            None if foreground is None else foreground.cpu().numpy(),
        )

    def _describe_all(self, conceptualize: Conceptualize) -> Described:
        """Describe the regions of the fitted split, with their classes where labels are used."""
        if self.row.classify == "text":
            return Described(np.zeros((0, 1), np.float32))
        labelled = self.row.classify in ("retrieval", "linear")
        rows, foreground, labels = [], [], []
        for _, picture, image, mask in self._open(self._fitted, "describing regions"):
            found = conceptualize(picture, image)
            described = self._describe(found, image)
            rows.append(described.descriptors)
            if described.foreground is not None:
                foreground.append(described.foreground)
            if labelled:
                drawn = draw_regions(found, picture)
                own, _ = majority_labels(drawn, mask, len(found.regions), void=self._data.void)
                labels.append(np.where(own == self._data.void, 255, own))
        if not rows:
            raise DataError("no picture of the fitted split could be read")
        return Described(
            np.concatenate(rows),
            np.concatenate(foreground) if foreground else None,
            np.concatenate(labels).astype(np.int64) if labelled else None,
        )

    def _score(
        self, draw: Callable[[np.ndarray, torch.Tensor], NDArray[np.int64]]
    ) -> SetResult | ImageResult:
        pairs = (
            (name, draw(picture, image), mask)
            for name, picture, image, mask in self._open(self._data, "scoring")
        )
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

    def _open(self, data: DataSet, task: str) -> Iterator[Opened]:
        """Open the pictures of a split; those that cannot be read are kept in `failed`."""
        count = min(self._images, len(data)) if self._images else len(data)
        places = np.linspace(0, len(data) - 1, count).round().astype(int).tolist()
        for done, place in enumerate(places, start=1):
            sample: Sample = data[place]
            try:
                picture, mask = data.crop_rule(sample.image(), sample.mask())
            except ImageError as error:
                self.failed.append((sample.name, str(error)))
                continue
            multiple = self._model.backbone.patch
            image = to_tensor(picture, side=self._model.side, multiple=multiple)[None]
            yield sample.name, picture, image, mask
            self._progress(task, done, count, self.row.name)


def reproduce(
    recipe: Recipe,
    root: Path,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    images: int = 0,
    device: str = "auto",
    progress: Progress = _silent,
) -> Iterator[tuple[Row, int, dict[str, float], list[tuple[str, str]]]]:
    """Run every row of a recipe with every seed.

    Yields
    ------
    row, seed, figures, failed
        As each is done; `failed` names pictures that could not be read.
    """
    for row in recipe.rows:
        for seed in seeds:
            experiment = Experiment(
                recipe, row, root, seed=seed, images=images, device=device, progress=progress
            )
            _, figures = experiment.run()
            yield row, seed, figures, experiment.failed
