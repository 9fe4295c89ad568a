"""ACSeg: a pipeline, a generator and classes as one object. It contains no mathematics."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import NotFittedError
from torch import Tensor

from acseg.backbone.folders import default_backbone
from acseg.backbone.load import load_backbone
from acseg.classes.clusters import assign_clusters
from acseg.classes.edits import Edits, edit
from acseg.classes.ids import BACKGROUND, class_count, class_ids, drawn_ids
from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.concepts.modularity import modularity_loss
from acseg.errors import DataError, ModelError
from acseg.images.batch import to_tensor
from acseg.images.open import open_picture, open_pictures
from acseg.model.folder import (
    ModelFolder,
    find_model,
    read_model_folder,
    restore_generator,
    shipped_generator,
    write_model_folder,
)
from acseg.model.pipeline import Concepts, Pipeline, Regions
from acseg.model.segmentation import Segmentation
from acseg.model.settings import NAMES, Settings

Picture = str | Path | bytes | Image.Image | np.ndarray
Draw = Callable[[np.ndarray], Segmentation]
"""Draws one picture, (H, W, 3) uint8, at its full size; on the processor, in any thread."""

BATCH = 16  # pictures encoded at once
LOADED = ("backbone", "blocks", "stride", "device", "precision", "runtime")


class UnfittedError(ModelError, NotFittedError):
    """A model that was asked for what only `fit` or `from_pretrained` bring."""


class ACSeg(ClusterMixin, BaseEstimator):
    """Find the classes of a collection of photographs without labels, and draw them.

    An estimator in the manner of scikit-learn, with a list of paths as the data. Weights are loaded
    at first use.

    Parameters
    ----------
    backbone : str
        "auto" (default: DINOv2 small where it is at hand, otherwise the small one that ships),
        "dinov2-small", "bundled", a folder, or a Hugging Face name.
    n_classes : int or "auto"
        Classes of the collection, background included; "auto" chooses.
    granularity : float, optional
        How finely pictures are divided, 0..1. Default: 0.5, each picture's own threshold; 0.25 for
        the small backbone that ships.
    random_state : int
        Seed for all randomness.
    device, precision, runtime : str
        Where and how the backbone runs: "auto", "cpu" or "cuda"; "auto", "float32" or "bfloat16";
        "auto", "torch" or "openvino". No part of a saved model.
    blocks, stride, side, bands, stretch, tile
        See `acseg.model.settings.Encoding`.
    division, concepts, edges
        See `acseg.model.settings.Dividing`.
    objective, steps, batch_size, learning_rate, warmup, weight_decay, sample, self_affinity, \
cache_gigabytes
        See `acseg.model.settings.Training`.
    foreground, descriptor, crop_side, n_init
        See `acseg.model.settings.Classifying`.

    Attributes
    ----------
    generator_ : AdaptiveConceptGenerator or None
        After `fit` with ``division="generator"``.
    centres_ : (C, D) float32 or None
        Centres of the classes, background not among them.
    foreground_ : str
        "sum", "mean" or "none": what `fit` decided where `foreground` is "auto".
    names_ : dict of int to str
        Names of classes.
    becomes_ : dict of int to int
        Classes that are drawn as another one, or as 255 (void); see `name`.
    failed_ : list of (path, reason)
        What `fit` could not read.

    Raises
    ------
    ValueError
        Naming the parameter that is out of range.

    Examples
    --------
    >>> model = ACSeg(n_classes=8).fit("photos/")  # doctest: +SKIP
    >>> model.predict("photos/a.jpg").labels.shape  # doctest: +SKIP
    (480, 640)
    """

    def __init__(
        self,
        backbone: str = "auto",
        *,
        n_classes: int | str = "auto",
        granularity: float | None = None,
        random_state: int = 0,
        device: str = "auto",
        precision: str = "auto",
        runtime: str = "auto",
        blocks: int | Sequence[int] | None = None,
        stride: int | None = None,
        side: int | None = None,
        bands: Sequence[int] | None = None,
        stretch: Sequence[float] | None = None,
        tile: int | str | None = None,
        division: str = "exact",
        concepts: int = 16,
        edges: bool = True,
        objective: str = "potts",
        steps: int = 2500,
        batch_size: int = 32,
        learning_rate: float = 5e-4,
        warmup: int = 100,
        weight_decay: float = 0.01,
        sample: int = 400,
        self_affinity: bool = True,
        cache_gigabytes: float = 4.0,
        foreground: str = "auto",
        descriptor: str = "mean-token",
        crop_side: int = 112,
        n_init: int = 10,
    ) -> None:
        given = locals()
        for name in self._get_param_names():
            setattr(self, name, given[name])
        self.generator_: AdaptiveConceptGenerator | None = None
        self.centres_: NDArray[np.float32] | None = None
        self.foreground_ = "none"
        self.names_: dict[int, str] = {}
        self.becomes_: dict[int, int] = {}
        self.failed_: list[tuple[str, str]] = []
        self._pipeline: Pipeline | None = None
        self._loaded: tuple[Any, ...] = ()
        self._fitted: Settings | None = None
        self._auto = default_backbone()[0] if backbone == "auto" else ""
        _ = self.settings  # a parameter that is out of range is an error now

    @property
    def settings(self) -> Settings:
        """The parameters as complete settings."""
        values = {name: getattr(self, name) for name in NAMES if name != "seed"}
        values["backbone"] = self._auto if self.backbone == "auto" else str(self.backbone)
        return Settings.of({**values, "seed": self.random_state})

    @property
    def pipeline(self) -> Pipeline:
        """The chain from pictures to regions, with its backbone; loaded at first use."""
        settings = self.settings
        loaded = tuple(getattr(self, name) for name in LOADED)
        if self._pipeline is None or self._loaded != loaded:
            how = settings.encoding
            backbone = load_backbone(
                how.backbone,
                blocks=how.blocks,
                stride=how.stride,
                device=self.device,
                precision=self.precision,
                runtime=self.runtime,
            )
            self._loaded = loaded
        else:
            backbone = self._pipeline.backbone
        if (
            self._pipeline is None
            or self._pipeline.backbone is not backbone
            or (self._pipeline.settings, self._pipeline.generator) != (settings, self.generator_)
        ):
            self._pipeline = Pipeline(backbone, settings, self.generator_)
        return self._pipeline

    @classmethod
    def from_pretrained(cls, name: str | Path = "auto", **parameters: Any) -> Self:
        """Load a model.

        Parameters
        ----------
        name : str or Path
            A model folder that `fit` or `save_pretrained` wrote; or a backbone ("auto",
            "dinov2-small", "bundled", a Hugging Face name), whose pictures are then divided
            without training.
        **parameters
            Such as device, precision, runtime and granularity, which differ from what was saved.

        Raises
        ------
        ModelError
            If the folder is no model folder, broken, or of an older format.
        BackboneError
            If the backbone cannot be loaded.
        """
        folder = find_model(name)
        if folder is None:
            model = cls(str(name), **parameters)
            if model.division == "generator":
                model.generator_ = shipped_generator(model.settings)
            return model
        found = read_model_folder(folder)
        values = found.settings.flat()
        values["random_state"] = values.pop("seed")
        model = cls(**{**values, **parameters})
        model.centres_, model.foreground_ = found.centres, found.foreground
        model.names_, model.becomes_ = dict(found.names), dict(found.becomes)
        model._fitted = model.settings
        model.generator_ = restore_generator(found, folder)
        dim = model.pipeline.backbone.dim
        for what, own in (
            ("generator.safetensors", model.generator_ and model.generator_.dim),
            ("classes.safetensors", None if found.centres is None else found.centres.shape[1]),
        ):
            if own not in (None, dim):
                raise ModelError(
                    f"{folder / what} is for {own} dimensions, but the backbone "
                    f"{found.settings.encoding.backbone!r} has {dim}"
                )
        return model

    def save_pretrained(self, folder: str | Path, *, notes: dict[str, Any] | None = None) -> Self:
        """Write a model folder that `from_pretrained` and the commands read."""
        weights = None
        if self.generator_ is not None:
            weights = {n: w.cpu().numpy() for n, w in self.generator_.state_dict().items()}
        found = ModelFolder(
            self.settings, weights, self.centres_, self.foreground_, self.names_, self.becomes_
        )
        write_model_folder(Path(folder), found, notes=notes)
        return self

    def fit(
        self,
        X: str | Path | Sequence[str | Path],
        y: Any = None,
        *,
        folder: str | Path | None = None,
    ) -> Self:
        """Find the classes of a collection; train the generator first where the division needs it.

        Parameters
        ----------
        X : path, or sequence of paths
            Files, folders or globs.
        y : ignored
            There for scikit-learn.
        folder : path, optional
            The model folder to write; a killed call resumes there. Default: nothing is kept.

        Raises
        ------
        DataError
            If nothing can be read, or there are too few regions for so many classes.
        """
        from acseg.training.fit import fit_collection

        paths = [X] if isinstance(X, str | Path) else list(X)
        self.names_, self.becomes_, self.generator_ = {}, {}, None
        if folder is not None:
            fit_collection(self, paths, Path(folder))
        else:
            with tempfile.TemporaryDirectory() as temporary:
                fit_collection(self, paths, Path(temporary))
        self._fitted = self.settings
        return self

    @overload
    def segment(
        self, X: list[Picture], *, granularity: float | None = None
    ) -> list[Segmentation]: ...
    @overload
    def segment(self, X: Picture, *, granularity: float | None = None) -> Segmentation: ...
    def segment(self, X: Any, *, granularity: float | None = None) -> Any:
        """Find the concepts of a picture, each picture for itself.

        Parameters
        ----------
        X : path, URL, bytes, PIL image, (H, W[, 3]) array, or a list of these
            A list is worked on in batches.
        granularity : float, optional
            0..1, finer the higher. Default: that of the model.

        Returns
        -------
        Segmentation, or a list of them

        Raises
        ------
        ImageError
            Naming the first picture that cannot be read; `acseg segment` skips and reports such.
        """
        return self._over(X, partial(self.segment_later, granularity=granularity))

    @overload
    def predict(self, X: list[Picture]) -> list[Segmentation]: ...
    @overload
    def predict(self, X: Picture) -> Segmentation: ...
    def predict(self, X: Any) -> Any:
        """Find the classes of a picture; the same class id means the same thing in all.

        Parameters and result as in `segment`.

        Raises
        ------
        ModelError
            If this model has no classes; `fit` finds them.
        ValueError
            If a parameter that the classes depend on was changed after `fit`.
        """
        return self._over(X, self.predict_later)

    def fit_predict(self, X: Sequence[str | Path], y: Any = None) -> list[Segmentation]:
        """Fit to a collection, and find the classes of each of its pictures."""
        return self.fit(X).predict(list(X))

    def score(self, X: Sequence[Picture], y: Any = None) -> float:
        """Measure how well the concepts split the token graphs of pictures: their modularity.

        Parameters
        ----------
        X : as in `segment`
        y : ignored
            There for scikit-learn.

        Returns
        -------
        float
            Mean over the pictures, -1 to 1; more is better. Compare only models of one backbone,
            blocks, stride and side.
        """
        pictures, _ = open_pictures(X, reading=self.settings.encoding.reading)
        pipeline, scores = self.pipeline, []
        for picture in pictures:
            image = to_tensor(picture, side=pipeline.side, multiple=pipeline.backbone.patch)
            tokens = pipeline.encode(image[None]).tokens
            (found,) = pipeline.concepts(image[None])
            if found is not None:
                means = found.division.means(pipeline.settings.dividing.granularity)
                scores.append(-float(modularity_loss(tokens, means[None])))
        if not scores:
            raise DataError("no picture to score")
        return float(np.mean(scores))

    def segment_later(self, images: Tensor, *, granularity: float | None = None) -> list[Draw]:
        """Segment a batch (B, 3, h, w), and leave the drawing at full size to other threads."""
        g = self.settings.dividing.granularity if granularity is None else granularity
        found = self.pipeline.concepts(images)
        draw = partial(Segmentation.of_concepts, granularity=g, edges=self.edges)
        return [partial(draw, one) for one in found]

    def predict_later(self, images: Tensor) -> list[Draw]:
        """Classify the concepts of a batch, and leave the drawing to other threads."""
        self._require_classes()
        found = self.pipeline.concepts(images)
        return [self._drawing(one, image) for one, image in zip(found, images, strict=True)]

    def _drawing(self, one: Concepts | None, image: Tensor) -> Draw:
        """Classify the regions of a picture, and make ready to draw it."""
        if one is None:
            return partial(Segmentation.of_concepts, None, granularity=0.5, edges=False)  # raises
        regions = self.pipeline.regions(one, image)
        ids, confidence = self.classify(regions)
        return partial(
            Segmentation.of_classes,
            one,
            part=regions.part,
            ids=ids,
            confidence=confidence,
            unsure=BACKGROUND if self.foreground_ != "none" else None,
            names=dict(self.names_),
            edges=self.edges,
        )

    def classify(self, regions: Regions) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the class of each region (R,), merged and dropped ones as drawn, and confidence."""
        self._require_classes()
        assert self.centres_ is not None  # noqa: S101
        rows = regions.descriptors.cpu().nan_to_num(0, 0, 0)
        clusters, confidence = assign_clusters(rows, self.centres_)
        foreground = regions.foreground(self.foreground_)
        ids = class_ids(clusters, None if foreground is None else foreground.cpu())
        return drawn_ids(self.becomes_)[ids].astype(np.int64), confidence

    @property
    def class_ids(self) -> list[int]:
        """Ids of the classes that are drawn, the background (0) included where there is one."""
        return [] if self.centres_ is None else self.edits.drawn

    @property
    def edits(self) -> Edits:
        """Names, merges and drops of the classes."""
        self._require_classes()
        assert self.centres_ is not None  # noqa: S101
        background = self.foreground_ != "none"
        count = class_count(len(self.centres_), background=background)
        return Edits(count, background, self.names_, self.becomes_)

    def name(
        self,
        names: Mapping[int, str] | None = None,
        *,
        merge: Sequence[Sequence[int]] = (),
        drop: Sequence[int] = (),
    ) -> Self:
        """Name classes, merge and drop them: `predict` draws it from now on.

        Parameters
        ----------
        names : mapping of class id to str, optional
            An empty name takes a name away.
        merge : sequence of sequences of class ids
            Of each, all become the first: ``[(4, 7)]`` draws class 7 as class 4.
        drop : sequence of class ids
            Drawn as 255 (void).

        Raises
        ------
        DataError
            If there is no such class, or it is merged or dropped already.
        ModelError
            If this model has no classes.
        """
        return self.take(edit(self.edits, names or {}, merge=merge, drop=drop))

    def take(self, edits: Edits) -> Self:
        """Take over names, merges and drops."""
        self.names_, self.becomes_ = dict(edits.names), dict(edits.becomes)
        return self

    def _require_classes(self) -> None:
        if self.centres_ is None:
            raise UnfittedError("this model has no classes yet; `fit` on a collection finds them")
        now, then = self.settings, self._fitted
        if then is not None and (now.classifying, now.encoding) != (
            then.classifying,
            then.encoding,
        ):
            raise ValueError(
                "parameters that the classes depend on were changed after `fit`; fit again, or "
                "set them back"
            )

    def _over(self, X: Any, later: Callable[[Tensor], list[Draw]]) -> Any:
        reading = self.settings.encoding.reading
        if isinstance(X, np.ndarray) and X.dtype.kind in "UO":  # texts or objects
            X = X.tolist()
        if not isinstance(X, list | tuple):
            return self._batch([open_picture(X, reading=reading)], later)[0]
        results: list[Segmentation] = []
        for first in range(0, len(X), BATCH):
            some = [open_picture(x, reading=reading) for x in X[first : first + BATCH]]
            results += self._batch(some, later)
        return results

    def _batch(
        self, pictures: list[np.ndarray], later: Callable[[Tensor], list[Draw]]
    ) -> list[Segmentation]:
        pipeline = self.pipeline
        side, patch = pipeline.side, pipeline.backbone.patch
        images = [to_tensor(picture, side=side, multiple=patch) for picture in pictures]
        draws: dict[int, Draw] = {}
        for shape in dict.fromkeys(image.shape for image in images):
            alike = [i for i, image in enumerate(images) if image.shape == shape]
            draws.update(zip(alike, later(torch.stack([images[i] for i in alike])), strict=True))
        return [draws[i](picture) for i, picture in enumerate(pictures)]

    def __dir__(self) -> list[str]:
        """List the attributes; scikit-learn would look at each, and so load the backbone."""
        return list(object.__dir__(self))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the pipeline, which is loaded again where the object is unpickled."""
        return {**super().__getstate__(), "_pipeline": None, "_loaded": ()}

    def __sklearn_is_fitted__(self) -> bool:
        """Say whether there are classes to predict."""
        return self.centres_ is not None

    def __sklearn_tags__(self) -> Any:
        """Say to scikit-learn: the data are lists of paths, without targets."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.input_tags.one_d_array, tags.input_tags.two_d_array = True, False
        tags.input_tags.string, tags.no_validation = True, True
        return tags
