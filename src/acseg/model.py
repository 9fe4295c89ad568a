"""ACSeg: the pipeline as one object. It holds the parts together and contains no mathematics."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from acseg import bundle
from acseg.backbone.backbone import Backbone
from acseg.concepts.modularity import modularity_loss
from acseg.drawing import Draw, class_drawings, concept_drawings
from acseg.errors import DataError
from acseg.images.batch import to_tensor
from acseg.images.open import open_pictures
from acseg.restore import check_centres, restore_generator
from acseg.run import Run, read_run, write_run
from acseg.segmentation import Segmentation
from acseg.settings import Settings
from acseg.steps import Steps

Source = str | Path | bytes | Image.Image | np.ndarray


class ACSeg(Steps):
    """Find the classes of a collection of photographs without labels, and draw them.

    Nothing is loaded before it is needed. It is an estimator in the manner of scikit-learn:
    `clone`, `get_params`, `set_params`, `Pipeline` and `GridSearchCV` work, with a list of paths
    as the data.

    Parameters
    ----------
    backbone : str
        "bundled" (default, offline), a folder, or a Hugging Face name.
    classes : int or "auto"
        Classes of the collection, background included; "auto" chooses.
    device : str
        "auto", "cpu", "cuda".
    precision : str
        "auto", "float32", "bfloat16".
    runtime : str
        What runs the backbone on a processor: "auto" (the fastest that is installed), "torch",
        "openvino", "onnx". As `device`, no part of a RUN.
    **settings
        Any other field of `acseg.settings.Settings`.

    Attributes
    ----------
    generator_ : AdaptiveConceptGenerator
        After `fit` or `load`.
    centres_ : (C, D) float32 or None
        Centres of the classes, background not among them.
    names_ : dict of int to str
        Names of classes.
    becomes_ : dict of int to int
        Classes that are drawn as another one, or as 255 (void); see `name`.
    failed_ : list of (path, reason)
        What `fit` could not read.
    """

    def __init__(
        self,
        backbone: str = "bundled",
        *,
        classes: int | str = "auto",
        device: str = "auto",
        precision: str = "auto",
        runtime: str = "auto",
        **settings: Any,
    ) -> None:
        self.settings = Settings(backbone=str(backbone), classes=classes, **settings)
        self.device = device
        self.precision = precision
        self.runtime = runtime
        self.centres_: NDArray[np.float32] | None = None
        self.names_: dict[int, str] = {}
        self.becomes_: dict[int, int] = {}
        self.failed_: list[tuple[str, str]] = []
        self._backbone: Backbone | None = None
        self._filled: dict[str, Any] = {}

    @classmethod
    def load(
        cls,
        run: str | Path | None = None,
        *,
        device: str = "auto",
        precision: str = "auto",
        runtime: str = "auto",
    ) -> "ACSeg":
        """Load the bundled model, or the RUN folder that `fit` wrote.

        Raises
        ------
        RunError
            If the folder is no RUN, or broken.
        BackboneError
            If the backbone that the RUN names cannot be loaded.
        """
        folder = bundle.BUNDLED if run is None else Path(run)
        found = read_run(folder)
        model = cls(device=device, precision=precision, runtime=runtime)
        model.settings = found.settings
        model.centres_ = found.centres
        model.names_, model.becomes_ = found.names, found.becomes
        backbone = model.backbone
        check_centres(found, folder, backbone.dim)
        model.generator_ = restore_generator(found, folder, backbone.dim).to(backbone.device)
        return model

    def save(self, run: str | Path, *, notes: dict[str, Any] | None = None) -> "ACSeg":
        """Write a RUN folder that `load` and the commands read."""
        weights = {n: w.cpu().numpy() for n, w in self._generator().state_dict().items()}
        found = Run(self.settings, weights, self.centres_, self.names_, self.becomes_)
        write_run(Path(run), found, notes=notes)
        return self

    def fit(
        self,
        inputs: str | Path | Sequence[str | Path],
        y: Any = None,
        *,
        run: str | Path | None = None,
    ) -> "ACSeg":
        """Train the generator on a collection, and find its classes.

        Parameters
        ----------
        inputs : path, or sequence of paths
            Files, folders or globs.
        y : ignored
            There for scikit-learn.
        run : path, optional
            Where caches and checkpoints are kept, so that a killed call goes on, and where the
            result is saved. Default: a temporary folder.

        Returns
        -------
        ACSeg
            This object.

        Raises
        ------
        DataError
            If nothing can be read, or there are too few regions for so many classes.
        """
        from acseg.training.fit import fit_collection

        paths = [inputs] if isinstance(inputs, str | Path) else list(inputs)
        self.names_, self.becomes_ = {}, {}  # those of classes that were found before
        if run is not None:
            fit_collection(self, paths, Path(run))
            return self
        with tempfile.TemporaryDirectory() as folder:
            fit_collection(self, paths, Path(folder))
        return self

    def segment(self, source: Any) -> Any:
        """Find the concepts of a picture.

        Parameters
        ----------
        source : path, URL, bytes, PIL image, (H, W[, 3]) array, or a list of these
            A folder or a glob stands for the list of its pictures, in the order of their names.

        Returns
        -------
        Segmentation, or a list of them
            Labels 0..n-1, each picture for itself.

        Raises
        ------
        ImageError
            Naming the first picture that cannot be read; `acseg segment` passes over such.
        """
        return self._over(source, self.segment_batch)

    def predict(self, source: Any) -> Any:
        """Find the classes of a picture; the same class id means the same thing in all.

        Parameters and result as in `segment`.

        Raises
        ------
        RunError
            If this model has no classes; `fit` finds them.
        """
        return self._over(source, self.predict_batch)

    def fit_predict(self, inputs: str | Path | Sequence[str | Path], y: Any = None) -> Any:
        """Fit to a collection, and find the classes of each of its pictures."""
        return self.fit(inputs, y).predict(inputs)

    def score(self, source: Any, y: Any = None) -> float:
        """Measure how well the concepts split the pixel graphs of pictures: their modularity.

        Parameters
        ----------
        source : as in `segment`
        y : ignored
            There for scikit-learn.

        Returns
        -------
        float
            Mean over the pictures of the modularity that `fit` trains for, -1 to 1; more is
            better. Compare only models of one backbone, block, stride and side.
        """
        scores = self._over(source, self._modularity)
        if isinstance(scores, list) and not scores:
            raise DataError("no picture to score")
        return float(np.mean(scores))

    def segment_batch(self, pictures: list[np.ndarray], images: Tensor) -> list[Segmentation]:
        """Segment a batch: pictures (H, W, 3) uint8 as read, images (B, 3, h, w) as resized."""
        return [draw(p) for draw, p in zip(self.segment_later(images), pictures, strict=True)]

    def predict_batch(self, pictures: list[np.ndarray], images: Tensor) -> list[Segmentation]:
        """Classify the concepts of a batch; arguments as in `segment_batch`."""
        return [draw(p) for draw, p in zip(self.predict_later(images), pictures, strict=True)]

    def segment_later(self, images: Tensor) -> list[Draw]:
        """Segment a batch (B, 3, h, w), and leave the drawing at full size to other threads."""
        return concept_drawings(self.conceptualize(images))

    def predict_later(self, images: Tensor) -> list[Draw]:
        """Classify the concepts of a batch, and leave the drawing to other threads."""
        found = self.conceptualize(images)
        ids, sure = self.classify(self.describe(found, images), self.foreground(found))
        background = self.settings.background
        return class_drawings(found, ids, sure, background=background, names=self.names_)

    def _modularity(self, pictures: list[np.ndarray], images: Tensor) -> list[float]:
        found = self.conceptualize(images)
        own = self.settings.self_affinity
        pairs = zip(found.features.tokens, found.concepts, strict=True)
        return [-float(modularity_loss(x[None], c[None], self_affinity=own)) for x, c in pairs]

    def _over(self, source: Any, batch: Any) -> Any:
        pictures, several = open_pictures(source, reading=self.settings.reading)
        results = []
        for picture in pictures:
            image = to_tensor(picture, side=self.side, multiple=self.backbone.patch)
            results += batch([picture], image[None])
        return results if several else results[0]
