"""An output folder: everything that it holds, written and read in one place.

::

    labels/<relative path>.png     index PNG of the upright picture's size, 255 = void
    overlays/<relative path>.jpg
    segments.jsonl                 one line per input; see `acseg.output.records`
    classes.json                   after `predict`
    areas.csv                      see `acseg.output.areas`
    index.html                     the report
    .acseg/                        marks the folder: what it holds, what is done, the lock

A folder holds the pictures of one kind ("concepts" or "classes") and one model; what comes later is
added. Nothing inside it is opened through a symbolic link.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from acseg.errors import DataError
from acseg.names import safe_text
from acseg.output.label_png import read_labels, read_labels_small
from acseg.output.names import label_name, locate, overlay_of
from acseg.output.palette import VOID, colour_table
from acseg.output.records import ClassRecord, Kind, Record, iterate_records, read_classes
from acseg.output.tally import Tally
from acseg.output.writing import Writing, open_writing
from acseg.untrusted import inside


class Output:
    """What `segment` or `predict` wrote into a folder.

    Parameters
    ----------
    folder : str or Path
    photos : str, Path or mapping, optional
        The folder where the photographs lie, by their relative names; or where each lies. Default,
        and for others: where ``segments.jsonl`` says.

    Every method raises DataError, naming the file and the fault, if ``segments.jsonl`` or
    ``classes.json`` is missing or broken, or something in the folder is a symbolic link.
    """

    def __init__(
        self, folder: str | Path, *, photos: str | Path | Mapping[str, str | Path] | None = None
    ) -> None:
        self.folder = Path(folder)
        self._photos = Path(photos) if isinstance(photos, str | Path) else photos or {}
        self._stamp: tuple[int, int] | None = None
        self._tally = Tally()
        self._places: dict[str, str] | None = None

    def path(self, name: str) -> Path:
        """Give the path of a file of the folder, there or not; DataError if it is a link."""
        return inside(self.folder, name)

    def stamp(self) -> tuple[int, int]:
        """Sum up the state of ``segments.jsonl``; it changes whenever the folder is written."""
        try:
            found = self.path("segments.jsonl").stat()
        except OSError:
            raise DataError(
                f"{safe_text(self.folder)} is no output folder: it has no segments.jsonl; "
                "acseg segment and predict write one"
            ) from None
        return found.st_mtime_ns, found.st_size

    def records(self) -> Iterator[Record]:
        """Read what is known of each input, one by one."""
        self.stamp()
        return iterate_records(self.path("segments.jsonl"))

    def record(self, path: str) -> Record:
        """Read what is known of one input, by its relative name."""
        for record in self.records():
            if record.path == path:
                return record
        raise DataError(f"{safe_text(path)} is not in {safe_text(self.folder)}")

    def tally(self) -> Tally:
        """Add up all records; read again only where they were written since."""
        stamp = self.stamp()
        if stamp != self._stamp:
            self._tally, self._places = Tally(self.records()), None
            self._stamp = stamp
        return self._tally

    @property
    def kind(self) -> Kind:
        """Whether ids mean something in one picture alone, or the same in all."""
        return self.tally().kind

    def classes(self) -> list[ClassRecord]:
        """List the classes: those of ``classes.json``, and others that occur; none of concepts."""
        tally = self.tally()
        if tally.kind == "concepts":
            return []
        file = self.path("classes.json")
        given = {item.id: item for item in read_classes(file)} if file.exists() else {}
        table = colour_table({item.id: item.colour for item in given.values()}).tolist()
        colours = {c: (red, green, blue) for c, (red, green, blue) in enumerate(table)}
        more = {c: count.name for c, count in tally.counts.items() if c not in given}
        given |= {item.id: item for item in tally.classes(more, colours)}
        return [given[c] for c in sorted(given)]

    def require_classes(self, count: int) -> None:
        """Make sure that it was written by `predict`, with classes 0 to `count` - 1 at most.

        Raises
        ------
        DataError
            If not; it then belongs to another model.
        """
        read_classes(self.path("classes.json"))
        highest = max([item.id for item in self.classes()] + list(self.tally().counts), default=0)
        if highest >= count:
            raise DataError(
                f"{self.folder} holds class {highest}, but the model has 0 to {count - 1}: "
                "it was predicted by another model"
            )

    def place(self, record: Record) -> str:
        """Say where the label map of a picture lies, from the folder."""
        if record.labels is not None:
            return record.labels
        self.tally()
        if self._places is None:
            self._places = label_name(r.path for r in self.records())
        return f"labels/{self._places[record.path]}"

    def labels(self, record: Record) -> np.ndarray:
        """Read the label map of a picture: (H, W) uint8, of the size that the record says.

        Raises
        ------
        DataError, ImageError
            If it is missing, broken, a link, of another size, or holds no labels.
        """
        place = self.place(record)
        labels = read_labels(self.path(place))
        height, width = labels.shape
        if record.size != (width, height):
            raise DataError(
                f"{place} is {width} x {height} pixels, its picture {record.size}; "
                "a label map must be as large as its picture"
            )
        if labels.max(initial=0) > VOID:
            raise DataError(f"{place} holds {labels.max()}; labels are 0..254, and 255 for void")
        return labels.astype(np.uint8)

    def labels_small(self, record: Record, size: tuple[int, int]) -> np.ndarray:
        """Read the label map of a picture at another (width, height); a few rows are held."""
        return read_labels_small(self.path(self.place(record)), size)

    def overlay(self, record: Record) -> Path | None:
        """Say where the overlay of a picture lies; None where there is none."""
        path = self.path(overlay_of(self.place(record)))
        return path if path.is_file() else None

    def photograph(self, record: Record) -> Path | None:
        """Say where the photograph of a picture lies; None where it is no longer there."""
        if isinstance(self._photos, Path):
            path = self._photos / record.path
        elif record.path in self._photos:
            path = Path(self._photos[record.path])
        elif record.source:
            path = locate(self.folder, record.source)
        else:
            return None
        try:
            return path if path.is_file() else None
        except OSError:  # a name that is too long
            return None

    @contextmanager
    def writing(self, kind: Kind, key: str, *, overwrite: bool = False) -> Iterator[Writing]:
        """Open the folder for results of one kind and model; what it holds already stays.

        Parameters
        ----------
        kind : "concepts" or "classes"
        key : str
            What draws the pictures; see `acseg.output.claim`.
        overwrite : bool
            Start anew: delete what acseg wrote there, and nothing else.

        Raises
        ------
        DataError
            If the folder cannot be written, another process writes it, or it holds results of
            another kind or model.
        """
        with open_writing(self.folder) as writing:
            writing.begin(kind, key, overwrite=overwrite)
            yield writing

    @contextmanager
    def editing(self) -> Iterator[Writing]:
        """Open the folder to change what it holds, such as the names of its classes."""
        self.stamp()
        with open_writing(self.folder) as writing:
            for record in self.records():
                writing.adopt(record, self.place(record))
            yield writing
