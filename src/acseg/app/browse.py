"""An OUT folder to look through: its pictures, classes and overlays, and nothing outside it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from acseg.errors import AcsegError, DataError
from acseg.output import Output
from acseg.output.palette import VOID, palette
from acseg.output.records import Record
from acseg.report.thumbnails import photograph_thumbnail

PAGE = 24  # pictures shown at once
THUMBNAIL = 176  # their short side in px
DIMMED = 0.22  # how much is left of what does not belong to the class looked for


@dataclass(frozen=True)
class Shown:
    """One picture of OUT: its overlay, its labels (H, W) of the same size, its record."""

    drawn: Image.Image
    labels: np.ndarray
    record: Record


class Folder:
    """An OUT folder that `segment` or `predict` wrote.

    Parameters
    ----------
    out : Path

    Attributes
    ----------
    records : list of Record
        The pictures that worked, in the order of the file.
    failed : int
        Number of pictures that did not.
    classes : list of int
        Ids of the classes; empty after `segment`, whose ids mean nothing beyond one picture.
    names : dict of int to str
        Names of those that have one.
    colours : (255, 3) uint8

    Raises
    ------
    DataError
        If it is no such folder.
    """

    def __init__(self, out: Path) -> None:
        self._output = Output(out)
        self.name = out.resolve().name
        self.read()

    def read(self) -> None:
        """Read the records again if they were written since."""
        stamp = self._output.stamp()
        if stamp == getattr(self, "_stamp", None):
            return
        self.records = [r for r in self._output.records() if r.status == "ok"]
        self.failed = len(self._output.tally().failed)
        classes = self._output.classes()
        self.classes = [item.id for item in classes]
        self.names = {item.id: item.name for item in classes if item.name}
        self.colours = palette(VOID)
        for item in classes:
            self.colours[item.id] = item.colour
        self._stamp = stamp

    @property
    def subfolders(self) -> list[str]:
        """Folders below the collection that hold pictures, where there are several."""
        found = sorted({str(PurePosixPath(r.path).parent) for r in self.records})
        return found if len(found) > 1 else []

    def find(
        self, *, label: int | None = None, text: str = "", subfolder: str | None = None
    ) -> list[int]:
        """Find pictures, as places in `records`.

        Parameters
        ----------
        label : int, optional
            Only those that show this class; those with the most of it come first.
        text : str
            Only those whose name contains this, in upper or lower case.
        subfolder : str, optional
            Only those of this folder and below it.
        """
        found = []
        for i, record in enumerate(self.records):
            path = PurePosixPath(record.path)
            below = subfolder in (None, str(path.parent), *map(str, path.parent.parents))
            if below and text.casefold() in record.path.casefold():
                found.append(i)
        if label is None:
            return found
        share = {i: _share(self.records[i], label) for i in found}
        return sorted((i for i in found if share[i] > 0), key=lambda i: (-share[i], i))

    def overlay(self, place: int, side: int) -> Image.Image | None:
        """Read the overlay of a picture, its short side at most `side` px."""
        try:
            path = self._output.overlay(self.records[place])
            return None if path is None else photograph_thumbnail(path, side)
        except AcsegError:
            return None

    def labels(self, place: int, size: tuple[int, int]) -> np.ndarray | None:
        """Read the labels of a picture, sampled at (width, height)."""
        try:
            return self._output.labels_small(self.records[place], size)
        except AcsegError:
            return None

    def thumbnail(self, place: int, label: int | None = None) -> Image.Image | None:
        """Draw a small overlay, in which a class, if given, stands out."""
        drawn = self.overlay(place, THUMBNAIL)
        if drawn is None or label is None:
            return drawn
        labels = self.labels(place, drawn.size)
        if labels is None:
            return drawn
        values = np.asarray(drawn)
        return Image.fromarray(
            np.where((labels == label)[..., None], values, values * DIMMED).astype(np.uint8)
        )

    def show(self, place: int, side: int) -> Shown:
        """Read one picture to look at.

        Raises
        ------
        DataError
            If its overlay or its labels are missing, broken or outside of OUT.
        """
        record = self.records[place]
        drawn = self.overlay(place, side)
        labels = None if drawn is None else self.labels(place, drawn.size)
        if drawn is None or labels is None:
            raise DataError(
                f"{record.path}: its overlay or its label map is missing in {self.name}"
            )
        segments = tuple(replace(s, name=self.names.get(s.id, s.name)) for s in record.segments)
        return Shown(drawn, labels, replace(record, segments=segments))


def page_of(places: Sequence[int], page: int) -> tuple[list[int], int, int]:
    """Cut a page out of what was found: the places, the page (1..pages), the number of pages."""
    pages = max(1, -(-len(places) // PAGE))
    page = min(max(1, page), pages)
    return list(places[(page - 1) * PAGE : page * PAGE]), page, pages


def _share(record: Record, label: int) -> float:
    return sum(s.area for s in record.segments if s.id == label)
