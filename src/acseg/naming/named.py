"""The part of ACSeg that gives its classes names, and says which of them are drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import numpy as np
from numpy.typing import NDArray

from acseg.classes.ids import class_count, drawn_ids
from acseg.errors import RunError
from acseg.naming.edits import Edits, edit
from acseg.naming.suggest import (
    TEXT_MODEL,
    THRESHOLD,
    Suggestion,
    suggest_names,
    take_suggestions,
)
from acseg.naming.views import views_from_pictures
from acseg.settings import Settings

if TYPE_CHECKING:
    from acseg.model import ACSeg


class Named:
    """Classes with names, merges and drops; a base of `ACSeg`."""

    settings: Settings
    device: str
    centres_: NDArray[np.float32] | None
    names_: dict[int, str]
    becomes_: dict[int, int]

    @property
    def class_ids(self) -> list[int]:
        """Ids of the classes that are drawn, the background (0) included where there is one."""
        return [] if self.centres_ is None else self._edits().drawn

    def name(
        self,
        names: Mapping[int, str] | None = None,
        *,
        merge: Sequence[Sequence[int]] = (),
        drop: Sequence[int] = (),
    ) -> Self:
        """Name classes, merge and drop them: `predict` draws it from now on, `save` keeps it.

        Parameters
        ----------
        names : mapping of class id to str, optional
            An empty name takes a name away.
        merge : sequence of sequences of class ids
            Of each, all become the first: ``[(4, 7)]`` draws class 7 as class 4.
        drop : sequence of class ids
            Drawn as 255 (void).

        Returns
        -------
        ACSeg
            This object.

        Raises
        ------
        DataError
            If there is no such class, or it is merged or dropped already.
        RunError
            If this model has no classes.
        """
        self._take(edit(self._edits(), names or {}, merge=merge, drop=drop))
        return self

    def suggest_names(
        self,
        labels: Sequence[str],
        source: str | Path | Sequence[str | Path],
        *,
        text_model: str = TEXT_MODEL,
        threshold: float = THRESHOLD,
    ) -> list[Suggestion]:
        """Name the classes that have no name by a text-image model, as `acseg name` does.

        Parameters
        ----------
        labels : sequence of str
            Two names or more to choose among.
        source : path, or sequence of paths
            Pictures that show the classes: files, folders or globs.
        text_model : str
            A CLIP or SigLIP: a folder, or a Hugging Face name.
        threshold : float
            Least confidence; below it a class stays without name. 0.2 to 0.8.

        Returns
        -------
        list of Suggestion
            Each with confidence and runner-up, those below the threshold too.

        Raises
        ------
        DataError
            If there are fewer than two names, or no picture is found.
        BackboneError
            If the text-image model cannot be loaded.
        """
        edits = self._edits()
        paths = [source] if isinstance(source, str | Path) else list(source)
        views, _ = views_from_pictures(cast("ACSeg", self), paths)
        wanted = {c: own for c, own in views.items() if c in edits.nameable}
        found = suggest_names(wanted, labels, text_model=text_model, device=self.device)
        self._take(take_suggestions(edits, [], found, threshold))
        return found

    def _edits(self) -> Edits:
        if self.centres_ is None:
            raise RunError("this model has no classes yet; `fit` on a collection finds them")
        background = self.settings.background
        count = class_count(len(self.centres_), background=background)
        return Edits(count, background, self.names_, self.becomes_)

    def _take(self, edits: Edits) -> None:
        self.names_, self.becomes_ = dict(edits.names), dict(edits.becomes)

    def _drawn(self, classes: NDArray) -> NDArray[np.uint8]:
        """Say what is drawn for class ids: themselves, the class that they became, or 255."""
        return drawn_ids(self.becomes_)[classes]
