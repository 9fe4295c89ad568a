"""What of a collection is done: one checked line a picture, appended when its files are whole.

A line holds a checksum, facts that say whether it still counts, and the picture's line of
``segments.jsonl``, with tabs between them. A process may be killed while it appends: a line that is
torn or whose checksum is wrong does not count, and its picture is done again.
"""

import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from acseg.images.records import Kind, Record, record_line
from acseg.images.write import atomic_file

FOLDERS = ("labels", "overlays")


@dataclass(frozen=True)
class Entry:
    """What became of one picture.

    Attributes
    ----------
    path : str
        Its relative name.
    record : str
        Its line of ``segments.jsonl``.
    ok : bool
        False where it failed; such a picture is tried again by the next call.
    model : str
        The fingerprint of what drew it.
    stamp : str
        What its file was; see `acseg.images.stream.stamp`.
    source : str
        Where its file lies, from OUT.
    size : (int, int)
        Height and width in px; what it was batched by.
    files : mapping of str to int
        The files written, by their names in OUT, and how many bytes each has.
    """

    path: str
    record: str
    ok: bool = True
    model: str = ""
    stamp: str = ""
    source: str = ""
    size: tuple[int, int] = (0, 0)
    files: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def failed(cls, path: str, reason: str, *, kind: Kind) -> "Entry":
        """Note a picture that gave nothing, with the reason."""
        return cls(path, record_line(Record.failed(path, reason, kind=kind)), ok=False)


class Manifest:
    """The lines of a collection's pictures; in memory it keeps 16 bytes of each.

    Parameters
    ----------
    path : Path
        The file; made where it is missing.
    places : mapping of str to int
        The place of each picture, by its relative name: 0..n-1.
    counts : callable
        Given (place, entry); says whether what was done still counts.

    Attributes
    ----------
    finished : dict
        What the call that finished last said at its end; empty if a picture was done since.
    """

    def __init__(
        self, path: Path, places: Mapping[str, int], counts: Callable[[int, Entry], bool]
    ) -> None:
        self._path = path
        self._offsets = np.full(len(places), -1, np.int64)
        self._sizes = np.zeros((len(places), 2), np.int32)  # of pictures that are done
        self.finished: dict[str, Any] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        end = 0
        for offset, line in _lines(path):
            end = offset + len(line)
            found = _read(line)
            if isinstance(found, Entry):
                self.finished = {} if found.ok else self.finished
                place = places.get(found.path)
                if place is not None:
                    good = found.ok and counts(place, found)
                    self._offsets[place] = offset
                    self._sizes[place] = found.size if good else 0
            elif found is not None:
                self.finished = found
        self._file = path.open("a+b", buffering=0)
        self._end = os.fstat(self._file.fileno()).st_size
        if self._end and (end != self._end or not _ends_well(path)):
            self._end += self._file.write(b"\n")  # after a torn line

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *about: object) -> None:
        self._file.close()

    def known(self, place: int) -> tuple[int, int] | None:
        """Give the height and width of a picture that is done; None for one to do."""
        height, width = self._sizes[place].tolist()
        return (height, width) if height else None

    @property
    def done(self) -> int:
        """How many pictures are done."""
        return int(np.count_nonzero(self._sizes[:, 0]))

    def add(self, place: int, entry: Entry) -> None:
        """Append what became of a picture; a kill a moment later does not lose it."""
        line = _line(asdict(entry))
        self._offsets[place] = self._end
        self._sizes[place] = entry.size if entry.ok else 0
        self._end += self._file.write(line)
        self.finished = {} if entry.ok else self.finished

    def records(self) -> Iterator[str]:
        """Give each picture's line of ``segments.jsonl``, in the order of the pictures."""
        for line in self._kept():
            found = _read(line)
            if isinstance(found, Entry):
                yield found.record

    def finish(self, **facts: Any) -> None:
        """Put the lines into the order of the pictures, drop old ones, and note the end."""
        with atomic_file(self._path) as file:
            for line in self._kept():
                file.write(line)
            file.write(_line({"finished": facts}))

    def _kept(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            for offset in self._offsets.tolist():
                if offset >= 0:
                    file.seek(offset)
                    yield file.readline()


def forget(path: Path, out: Path) -> None:
    """Delete a manifest and the files in OUT that it names, and nothing else."""
    for _, line in _lines(path):
        found = _read(line)
        for name in found.files if isinstance(found, Entry) else ():
            parts = PurePosixPath(name).parts
            if parts[:1] in [(folder,) for folder in FOLDERS] and ".." not in parts:
                (out / name).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give the lines of a file with their offsets; none where it is missing."""
    if not path.exists():
        return
    offset = 0
    with path.open("rb") as file:
        for line in file:
            yield offset, line
            offset += len(line)


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _line(facts: dict[str, Any]) -> bytes:
    record = facts.pop("record", "")
    body = f"{json.dumps(facts)}\t{record}".encode()  # facts in ASCII: names may be no text
    return b"%08x\t%s\n" % (zlib.crc32(body), body)


def _read(line: bytes) -> Entry | dict[str, Any] | None:
    """Read a line: an entry, what was said at an end, or None where it is broken."""
    check, _, body = line.rstrip(b"\n").partition(b"\t")
    if not line.endswith(b"\n") or check != b"%08x" % zlib.crc32(body):
        return None
    facts, _, record = body.decode("utf-8").partition("\t")
    try:
        values = json.loads(facts)
        if "finished" in values:
            return dict(values["finished"])
        size = int(values["size"][0]), int(values["size"][1])
        return Entry(**{**values, "size": size}, record=record)
    except (ValueError, TypeError, KeyError, IndexError):  # whole, but of another version
        return None
