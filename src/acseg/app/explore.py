"""From a dropped picture and the controls to what is shown; knows nothing of the browser."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from acseg.app.dropped import Dropped, read_dropped
from acseg.app.limits import Limits
from acseg.app.naming import save_names, with_names
from acseg.errors import RunError
from acseg.output.palette import VOID
from acseg.output.records import Kind
from acseg.output.sampling import sample_labels
from acseg.run import read_config
from acseg.segmentation import Segmentation

if TYPE_CHECKING:
    from acseg.model import ACSeg

SHOWN_SIDE = 1280  # the long side of a picture in the page
KEPT = 4  # results kept of one picture
FINEST = 80  # most pixels of the feature grid along the short side
BUNDLED = "bundled"


@dataclass(frozen=True, kw_only=True)
class Controls:
    """Where the controls of the page stand.

    Attributes
    ----------
    generator : int
        Which of the RUNs, by its place.
    kind : "concepts" or "classes"
        Concepts of this picture, or classes of the RUN's collection.
    side : int
        Short side in px to which the picture is resized before the backbone.
    merge : float
        Mean affinity above which two concepts become one; 1 merges none. Any other than the RUN's
        own holds for every picture, scenes among them.
    confidence : float
        Regions less sure than this are void; 0 keeps all.
    strength : float
        Share of the colour in the overlay, 0..1.
    """

    generator: int = 0
    kind: Kind = "concepts"
    side: int
    merge: float = 1.0
    confidence: float = 0.0
    strength: float = 0.55

    @property
    def way(self) -> tuple[int, Kind, int, float]:
        """The way to draw: ids of concepts keep their meaning while it stays."""
        return self.generator, self.kind, self.side, self.merge


@dataclass(frozen=True)
class Choice:
    """One RUN to choose from: its folder (None for the bundled model), name, prototypes."""

    run: Path | None
    name: str
    prototypes: int

    @property
    def title(self) -> str:
        """What the list says."""
        return f"{self.name}: {self.prototypes} prototypes"


def find_choices(runs: Sequence[Path]) -> list[Choice]:
    """Read the settings of the RUNs, and nothing of their weights; no RUN is the bundled model.

    Raises
    ------
    RunError
        Naming the first folder that is no RUN.
    """
    from acseg.bundle import BUNDLED as FOLDER

    if not runs:
        return [Choice(None, BUNDLED, read_config(FOLDER)[0].concepts)]
    return [Choice(run, run.resolve().name, read_config(run)[0].concepts) for run in runs]


class Explorer:
    """Draws dropped pictures with one of several RUNs; each is loaded when first asked for.

    Parameters
    ----------
    choices : list of Choice
    limits : Limits
    device, precision : str
        As `acseg.ACSeg` takes them.
    """

    def __init__(
        self,
        choices: list[Choice],
        *,
        limits: Limits | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.choices = choices
        self.limits = limits or Limits()
        self._device, self._precision = device, precision
        self._models: dict[int, ACSeg] = {}
        self._lock = Lock()  # one picture at a time goes through a model

    def model(self, generator: int) -> "ACSeg":
        """Give the model of a RUN, loading it at first."""
        from acseg.model import ACSeg

        with self._lock:
            if generator not in self._models:
                self._models[generator] = ACSeg.load(
                    self.choices[generator].run, device=self._device, precision=self._precision
                )
            return self._models[generator]

    def start(self, generator: int) -> Controls:
        """Say where the controls stand at first: at what the RUN was made with."""
        model = self.model(generator)
        merge = model.settings.merge
        return Controls(
            generator=generator,
            kind="concepts" if model.centres_ is None else "classes",
            side=model.side,
            merge=1.0 if merge is None else min(merge, 1.0),
        )

    def sides(self, generator: int) -> tuple[int, int, int]:
        """Smallest and largest short side that a RUN is offered, and the step between two."""
        model = self.model(generator)
        patch, stride = model.backbone.patch, model.backbone.stride
        steps = min(1024, FINEST * stride) // patch
        return min(8 * patch, model.side), max(steps * patch, model.side), patch

    def draw(
        self, dropped: Dropped, controls: Controls, given: Mapping[int, str] | None = None
    ) -> Segmentation:
        """Draw a picture at the size in which it is shown.

        Parameters
        ----------
        dropped : Dropped
        controls : Controls
        given : mapping of int to str, optional
            Names that the visitor gave to classes of the RUN.

        Raises
        ------
        ImageError
            If it is no picture, is broken, or is over a limit.
        """
        found = dropped.drawn.get(controls.way)
        if found is None:
            picture = self._read(dropped, controls)
            found = self._run(picture, shrink(picture, SHOWN_SIDE), controls)
            dropped.drawn[controls.way] = found
            for way in list(dropped.drawn)[:-KEPT]:
                dropped.drawn.pop(way, None)
        return self._named(dropped, found, controls, given or {})

    def draw_full(
        self, dropped: Dropped, controls: Controls, given: Mapping[int, str] | None = None
    ) -> Segmentation:
        """Draw a picture at its own size, with the ids and names under which it is shown."""
        shown = self.draw(dropped, replace(controls, confidence=0.0))
        picture = self._read(dropped, controls)
        full = self._run(picture, picture, controls)
        if controls.kind == "concepts":
            full = renumber(full, like=shown)
        return self._named(dropped, full, controls, given or {})

    def _read(self, dropped: Dropped, controls: Controls) -> np.ndarray:
        reading = self.model(controls.generator).settings.reading
        return read_dropped(dropped.name, dropped.data, self.limits, reading=reading)

    def _run(self, picture: np.ndarray, canvas: np.ndarray, controls: Controls) -> Segmentation:
        from acseg.images.batch import to_tensor

        model = copy.copy(self.model(controls.generator))
        own = model.settings
        ground = own.ground if controls.merge == own.merge else None
        model.settings = replace(own, side=controls.side, merge=controls.merge, ground=ground)
        image = to_tensor(picture, side=controls.side, multiple=model.backbone.patch)
        batch = model.segment_batch if controls.kind == "concepts" else model.predict_batch
        with self._lock:
            return batch([canvas], image[None])[0]

    def _named(
        self, dropped: Dropped, found: Segmentation, controls: Controls, given: Mapping[int, str]
    ) -> Segmentation:
        names: Mapping[int, str] = dropped.names.get(controls.way, {})
        if controls.kind == "classes":
            names = self.names(controls.generator, given)
        labels = void_below(found, controls.confidence)
        return replace(found, labels=labels, names=names)

    def names(self, generator: int, given: Mapping[int, str] | None = None) -> dict[int, str]:
        """Names of the classes of a RUN; the background is called so where nothing else is said."""
        model = self.model(generator)
        default = {0: "background"} if model.settings.background else {}
        return with_names(default | dict(model.names_), given or {})

    def save_names(self, generator: int, given: Mapping[int, str]) -> Path:
        """Write names into the RUN, for every visitor and every command after.

        Raises
        ------
        RunError
            If this is the bundled model, which has no classes, or the RUN cannot be written.
        """
        run = self.choices[generator].run
        if run is None:
            raise RunError("the bundled model has no classes to name; `acseg fit` finds classes")
        self.model(generator).names_ = save_names(run, given)
        return run


def void_below(found: Segmentation, confidence: float) -> np.ndarray:
    """Make the labels void that are less sure than `confidence`; unknown ones stay."""
    unsure = [label for label, sure in found.confidence.items() if sure < confidence]
    return np.where(np.isin(found.labels, unsure), VOID, found.labels)


def shrink(picture: np.ndarray, long_side: int) -> np.ndarray:
    """Make the long side of (H, W, 3) `long_side` px; smaller ones stay as they are."""
    height, width = picture.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def renumber(full: Segmentation, *, like: Segmentation) -> Segmentation:
    """Give the concepts of a picture the ids that they have in a smaller drawing of it.

    Each id of `full` becomes the id that most of its pixels have in `like`. A concept too thin to
    be in the smaller drawing gets the next free id.
    """
    height, width = like.labels.shape
    small = sample_labels(full.labels, (width, height))
    ids: dict[int, int] = {}
    free = 1 + max((segment.id for segment in like.segments), default=-1)
    for segment in full.segments:
        under = like.labels[small == segment.id]
        seen = int(np.bincount(under).argmax()) if under.size else VOID
        if seen == VOID or seen in ids.values():
            seen, free = free, free + 1
        ids[segment.id] = seen
    table = np.full(VOID + 1, VOID, np.uint8)
    for old, new in ids.items():
        table[old] = new
    confidence = {ids[label]: sure for label, sure in full.confidence.items() if label in ids}
    return replace(full, labels=table[full.labels], confidence=confidence)
