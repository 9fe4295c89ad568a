"""The models that are served: loaded when they are asked for, and what people change about them."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

from acseg.app.drawn import Drawn, read_dropped
from acseg.app.guard import Refused
from acseg.app.limits import Budget, Limits
from acseg.classes.edits import Edits
from acseg.errors import AcsegError, DataError
from acseg.images.bands import PLAIN, Reading
from acseg.model.folder import edits_of, find_model, read_model_folder, read_settings, write_names
from acseg.names import safe_text
from acseg.output.palette import colour
from acseg.output.records import Kind

if TYPE_CHECKING:
    from acseg.model import ACSeg

LONGEST_NAME = 200  # characters of a class's name


def version_of(edits: Edits) -> str:
    """Sum up names, merges and drops; a change that was based on others is refused."""
    text = json.dumps([sorted(edits.names.items()), sorted(edits.becomes.items())])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass
class Served:
    """One model, a folder or the name of a backbone.

    Parameters
    ----------
    name : str
        As it was given.
    device : str
    limits : Limits
    budget : Budget
        Of all that decodes pictures.

    Raises
    ------
    ModelError
        If it is a folder, and no model folder.
    """

    name: str
    device: str
    limits: Limits
    budget: Budget
    folder: Path | None = None
    has_classes: bool = False
    _model: "ACSeg | None" = None
    _lock: RLock = field(default_factory=RLock)
    _editing: Lock = field(default_factory=Lock)
    _warm: bool = False
    _undo: list[tuple[str, Edits]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder = find_model(self.name)
        if self.folder is not None:
            self.has_classes = read_model_folder(self.folder).centres is not None

    @property
    def title(self) -> str:
        """What the page calls it: no path of this machine."""
        if self.folder is not None:
            return safe_text(self.folder.resolve().name)
        return "DINOv2, no training" if self.name == "auto" else safe_text(Path(self.name).name)

    def model(self) -> "ACSeg":
        """Load the model, once."""
        with self._lock:
            if self._model is None:
                from acseg.model import ACSeg

                model = ACSeg.from_pretrained(self.name, device=self.device)
                if model.centres_ is not None:  # merges and drops are applied where it is shown
                    model.take(model.edits.reset())
                self._model = model
            return self._model

    @property
    def ready(self) -> bool:
        """Say whether the weights are loaded."""
        return self._warm

    def warm(self) -> None:
        """Load the weights; what is wrong with them is said when they are asked for."""
        with suppress(AcsegError):
            _ = self.model().pipeline
            self._warm = True

    def draw(self, name: str, data: bytes, kind: Kind, granularity: float | None) -> Drawn:
        """Read a picture and draw it.

        Raises
        ------
        AcsegError
            Naming the picture, if it cannot be read or drawn, or is over a limit.
        """
        model = self.model()
        reading = model.settings.encoding.reading
        image = read_dropped(name, data, self.limits, self.budget, reading=reading)
        with self.budget.hold(image.shape[0] * image.shape[1]), self._lock:
            self._warm = True
            g = model.granularity if granularity is None else granularity
            if kind == "classes":
                return Drawn.of(model.predict(image), g)
            return Drawn.of(model.segment(image, granularity=g), g)

    def reading(self) -> Reading:
        """Say how the model reads photographs; its weights are not loaded for it."""
        return PLAIN if self.folder is None else read_settings(self.folder).encoding.reading

    def edits(self) -> Edits | None:
        """Read names, merges and drops as the model folder has them now; None without classes."""
        return edits_of(self.folder) if self.folder is not None and self.has_classes else None

    def change(self, version: str, change: Callable[[Edits], Edits] | None) -> Edits:
        """Write a change of names, merges and drops into the model folder; None takes one back.

        Raises
        ------
        Refused
            If the folder was changed meanwhile, in another window or by a command.
        DataError
            If there is no such class.
        """
        with self._editing:
            now = self.edits()
            if now is None or self.folder is None:
                raise DataError("this model has no classes; `acseg fit` finds them")
            if version != version_of(now):
                raise Refused(
                    409, "the classes were changed elsewhere; here they are as they are now"
                )
            if change is None:
                if not self._undo or self._undo[-1][0] != version:
                    raise DataError("there is nothing to take back")
                after = self._undo.pop()[1]
                write_names(self.folder, after.names, after.becomes)
                return after
            after = change(now)
            write_names(self.folder, after.names, after.becomes)
            self._undo.append((version_of(after), now))
            return after

    def can_undo(self, edits: Edits) -> bool:
        """Say whether the last change can be taken back."""
        return bool(self._undo) and self._undo[-1][0] == version_of(edits)


def change_of(asked: dict[str, Any]) -> Callable[[Edits], Edits] | None:
    """Read what the page wants changed: one of rename, merge, drop, split, undo.

    Raises
    ------
    DataError
        If it is nothing of that.
    """
    act, c = asked.get("do"), asked.get("id")
    if act == "undo":
        return None
    if not isinstance(c, int) or isinstance(c, bool):
        raise DataError("which class?")
    if act == "rename":
        name = clean_name(str(asked.get("name", "")))
        return lambda edits: edits.rename(c, name)
    if act == "merge":
        into = asked.get("into")
        if not isinstance(into, int) or isinstance(into, bool):
            raise DataError("merge into which class?")
        return lambda edits: edits.merge(into, c)
    if act == "drop":
        return lambda edits: edits.drop(c)
    if act == "split":
        return lambda edits: edits.split(c)
    raise DataError(f"there is no change {str(act)[:40]!r}")


def clean_name(name: str) -> str:
    """Make a name that was typed fit for every file and terminal; "" if nothing is left."""
    return safe_text(" ".join(name.split()))[:LONGEST_NAME].strip()


def describe_classes(edits: Edits) -> list[dict[str, Any]]:
    """List the classes of a model that are drawn, as the page takes them, without shares."""
    return [
        {
            "id": c,
            "name": edits.all_names.get(c),
            "colour": "#" + bytes(colour(c)).hex(),
            "share": 0,
            "confidence": None,
            "pictures": 0,
            "exemplars": [],
        }
        for c in edits.drawn
    ]


def describe_gone(edits: Edits) -> list[dict[str, Any]]:
    """List the classes that are merged or dropped, and what they became."""
    return [
        {"id": c, "name": edits.names.get(c), "into": into if into in edits.drawn else None}
        for c, into in sorted(edits.becomes.items())
    ]
