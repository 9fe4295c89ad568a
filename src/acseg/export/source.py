"""The pictures of an output folder for exporters, with the names and colours of its classes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from acseg.errors import AcsegError, DataError
from acseg.names import safe_text
from acseg.output import Output
from acseg.output.palette import VOID, colour_table
from acseg.output.records import Kind, Record

_ROWS = 1024  # counted at once


@dataclass(frozen=True, eq=False)
class Labelled:
    """One picture and its labels.

    Attributes
    ----------
    number : int
        1 for the first line of ``segments.jsonl``, 2 for the second, and so on.
    path : str
        Relative name of the photograph.
    name : str
        Relative name of the label map without ``.png``; different for every picture.
    labels : (H, W) uint8
        255 is void.
    record : Record
    photograph : Path or None
        Where the photograph lies, if it is there.
    """

    number: int
    path: str
    name: str
    labels: np.ndarray
    record: Record
    photograph: Path | None

    @cached_property
    def present(self) -> list[int]:
        """The labels that occur, in rising order, without void."""
        return labels_present(self.labels)


@dataclass(frozen=True, eq=False)
class Legend:
    """Names (255, all different) and colours (255, 3) of labels, and which of them are listed."""

    kind: Kind
    names: list[str]
    colours: np.ndarray
    listed: frozenset[int]

    def check_colours(self, *reserved: tuple[int, int, int]) -> None:
        """Refuse colours of listed classes that meet each other, or one of the reserved ones.

        Raises
        ------
        DataError
            Naming the two.
        """
        taken = {colour: "what belongs to nothing" for colour in reserved}
        for label in sorted(self.listed):
            colour = tuple(self.colours[label].tolist())
            if colour in taken:
                raise DataError(
                    f"{self.names[label]} has the colour {colour} of {taken[colour]}, and this "
                    "format tells them apart by it; change one of them in classes.json"
                )
            taken[colour] = self.names[label]


def read_pictures(output: Output) -> Iterator[Labelled | tuple[str, AcsegError]]:
    """Read the pictures of an output folder, in the order of ``segments.jsonl``.

    Yields
    ------
    Labelled, or the path and the error of a picture whose labels cannot be had
    """
    for number, record in enumerate(output.records(), start=1):
        if record.status == "failed":
            continue
        try:
            name = output.place(record).removeprefix("labels/").removesuffix(".png")
            labels, photograph = output.labels(record), output.photograph(record)
        except AcsegError as error:
            yield record.path, error
        else:
            yield Labelled(number, record.path, name, labels, record, photograph)


def read_legend(output: Output) -> Legend:
    """Name and colour the labels of an output folder."""
    kind, classes = output.kind, output.classes()
    listed = {item.id for item in classes} | set(output.tally().counts)
    names = {item.id: item.name for item in classes}
    return Legend(
        kind,
        different_names(names, "class" if kind == "classes" else "concept"),
        colour_table({item.id: item.colour for item in classes}),
        frozenset(listed),
    )


def different_names(given: Mapping[int, str | None], stem: str) -> list[str]:
    """Name labels 0..254 so that no two are the same: ``road``, ``class-3`` where none was given.

    Of labels that were given the same name, each gets its id behind it: ``road-4``, ``road-7``.
    """
    names = [safe_text(given.get(i) or "").strip() or f"{stem}-{i}" for i in range(VOID)]
    while True:
        counts = Counter(names)
        if len(counts) == len(names):
            return names
        names = [f"{n}-{i}" if counts[n] > 1 else n for i, n in enumerate(names)]


def labels_present(labels: np.ndarray) -> list[int]:
    """List the labels of a map (H, W) uint8 in rising order, without void."""
    counts = np.zeros(VOID + 1, dtype=np.int64)
    for top in range(0, len(labels), _ROWS):  # counting takes eight bytes a pixel
        counts += np.bincount(labels[top : top + _ROWS].ravel(), minlength=VOID + 1)
    return np.flatnonzero(counts[:VOID]).tolist()
