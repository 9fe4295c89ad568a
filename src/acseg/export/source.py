"""Reading OUT, one picture after the other, with the names and colours of its classes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from acseg.errors import AcsegError, DataError
from acseg.images.colours import VOID, palette
from acseg.images.names import safe_text
from acseg.images.records import Kind, Record, iterate_records, read_classes
from acseg.images.write import label_name, read_labels

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


class Results:
    """What `segment` or `predict` wrote into a folder.

    Parameters
    ----------
    out : Path
        The folder.
    photos : Path, optional
        Where the photographs lie, by their relative names. Default: where ``segments.jsonl`` says.

    Attributes
    ----------
    legend : Legend
    left_out : list of (path, reason)
        Pictures that failed when OUT was made; there is nothing of them to read.

    Raises
    ------
    DataError
        If OUT holds no ``segments.jsonl``, or it or ``classes.json`` is broken.
    """

    def __init__(self, out: Path, *, photos: Path | None = None) -> None:
        self.out, self._photos = out, photos
        self.left_out: list[tuple[str, str]] = []
        self._count = 0
        kind: Kind = "concepts"
        names: dict[int, str | None] = {}
        listed: set[int] = set()
        paths: list[str] = []
        for record in self._records():
            paths.append(record.path)
            if record.status == "failed":
                self.left_out.append((record.path, record.error or ""))
                continue
            self._count += 1
            kind = record.kind
            listed.update(segment.id for segment in record.segments)
            names.update({s.id: s.name for s in record.segments if s.name})
        self._places = label_name(paths)
        given = out / "classes.json"
        classes = read_classes(given) if kind == "classes" and given.exists() else []
        names.update({item.id: item.name for item in classes})
        listed.update(item.id for item in classes)
        self.legend = Legend(
            kind,
            different_names(names, "class")
            if kind == "classes"
            else different_names({}, "concept"),
            different_colours({item.id: item.colour for item in classes}),
            frozenset(listed),
        )

    def __len__(self) -> int:
        return self._count

    def read(self) -> Iterator[Labelled | tuple[str, AcsegError]]:
        """Read the pictures in the order of ``segments.jsonl``.

        Yields
        ------
        Labelled, or the path and the error of a picture whose labels cannot be had
        """
        for number, record in enumerate(self._records(), start=1):
            if record.status == "failed":
                continue
            try:
                yield self._picture(number, record)
            except AcsegError as error:
                yield record.path, error

    def _records(self) -> Iterator[Record]:
        return iterate_records(self.out / "segments.jsonl")

    def _picture(self, number: int, record: Record) -> Labelled:
        place = record.place(self._places)
        name = place.removeprefix("labels/").removesuffix(".png")
        for relative in (record.path, place):
            if PurePosixPath(relative).is_absolute() or ".." in PurePosixPath(relative).parts:
                raise DataError(f"{relative} leads out of the folder")
        labels = _read(self.out / place, record.size)
        height, width = labels.shape
        if record.size != (width, height):
            raise DataError(
                f"{place} is {width} x {height} pixels, its picture {record.size}; "
                "a label map must be as large as its picture"
            )
        if labels.max(initial=0) > VOID:
            raise DataError(f"{place} holds {labels.max()}; labels are 0..254, and 255 for void")
        photograph = self._photograph(record)
        return Labelled(number, record.path, name, labels.astype(np.uint8), record, photograph)

    def _photograph(self, record: Record) -> Path | None:
        if self._photos is not None:
            path = self._photos / record.path
        elif record.source:
            path = self.out / record.source
        else:
            return None
        return path if path.is_file() else None


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


def different_colours(given: Mapping[int, tuple[int, int, int]]) -> np.ndarray:
    """Colour labels 0..254: as given, else by the palette; no colour given is used once more.

    Returns
    -------
    (255, 3) uint8
    """
    table = palette(VOID)
    taken = set(given.values())
    usual = [(red, green, blue) for red, green, blue in table.tolist()]
    spare = [usual[label] for label in sorted(given) if usual[label] not in taken]
    for label in range(VOID):
        if label in given:
            table[label] = given[label]
        elif usual[label] in taken:
            table[label] = spare.pop(0)
    return table


def labels_present(labels: np.ndarray) -> list[int]:
    """List the labels of a map (H, W) uint8 in rising order, without void."""
    counts = np.zeros(VOID + 1, dtype=np.int64)
    for top in range(0, len(labels), _ROWS):  # counting takes eight bytes a pixel
        counts += np.bincount(labels[top : top + _ROWS].ravel(), minlength=VOID + 1)
    return np.flatnonzero(counts[:VOID]).tolist()


def _read(path: Path, size: tuple[int, int] | None) -> np.ndarray:
    """Read a label map, and one of any size if OUT says that it is that large.

    Pillow opens nothing that is much larger than a photograph, lest a small file fill the memory.
    A map that was drawn in tiles may be.
    """
    if size is None or size[0] * size[1] <= (Image.MAX_IMAGE_PIXELS or 0):
        return read_labels(path)
    try:
        with PngImageFile(path) as picture:
            if picture.size == size and picture.mode in ("P", "L"):
                return np.asarray(picture)
    except Exception as error:  # decoders raise nearly everything
        raise DataError(f"{safe_text(path)}: cannot be read ({error})") from error
    raise DataError(f"{safe_text(path)}: no label map of {size[0]} x {size[1]} pixels")
