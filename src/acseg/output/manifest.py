"""What of an output folder is done: one checked line a picture, appended when its files are whole.

A line holds a checksum, facts that say whether it still counts, and the picture's line of
``segments.jsonl``, with tabs between them. A process may be killed while it appends: a line that is
torn or whose checksum is wrong does not count, and its picture is done again.
"""

import json
import os
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from acseg.output.atomic import AtomicFile
from acseg.output.records import Kind, Record, record_line
from acseg.untrusted import open_plain, read_plain


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
        Where its file lies, from the output folder.
    size : (int, int)
        Height and width in px; what it was batched by.
    files : mapping of str to int
        The files written, by their names in the output folder, and how many bytes each has.
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
    """The lines of pictures, the last of each; in memory it keeps names and offsets.

    Parameters
    ----------
    path : Path
        The file; made where it is missing.

    Attributes
    ----------
    finished : dict
        What the call that finished last said at its end; empty if a picture was done since.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, int] = {}
        self._offsets = array("q")
        self.finished: dict[str, Any] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        end, last = 0, b"\n"
        for offset, line in _lines(path):
            end, last = offset + len(line), line
            found = _read(line)
            if isinstance(found, Entry):
                self._note(found, offset)
            elif found is not None:
                self.finished = found
        self._end = end
        self._open()
        if not last.endswith(b"\n"):
            self._append(b"\n")  # after a torn line

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *about: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)
        self._reader.close()

    def __iter__(self) -> Iterator[str]:
        """Give the names of the pictures, in the order of their first lines."""
        return iter(self._rows)

    def __contains__(self, path: str) -> bool:
        return path in self._rows

    def get(self, path: str) -> Entry | None:
        """Give what became of a picture; None for one that was never done."""
        row = self._rows.get(path)
        if row is None:
            return None
        found = _read(self._line(self._offsets[row]))
        return found if isinstance(found, Entry) else None

    def entries(self) -> Iterator[Entry]:
        """Give what became of each picture."""
        return (entry for path in self for entry in [self.get(path)] if entry is not None)

    def add(self, entry: Entry) -> None:
        """Append what became of a picture; a kill a moment later does not lose it."""
        offset = self._end
        self._append(_line(asdict(entry)))
        self._note(entry, offset)

    def note(self, **facts: Any) -> None:
        """Append what a call says at its end."""
        self._append(_line({"finished": facts}))

    def sort(self, order: Iterable[str]) -> None:
        """Keep the last line of each picture, in this order, and drop all other lines."""
        rows: dict[str, int] = {}
        offsets, end = array("q"), 0
        with AtomicFile(self._path) as file:
            for path in order:
                if path not in self._rows or path in rows:
                    continue
                line = self._line(self._offsets[self._rows[path]])
                file.write(line)
                rows[path] = len(offsets)
                offsets.append(end)
                end += len(line)
        self.close()
        self._rows, self._offsets, self._end = rows, offsets, end
        self._open()

    def _open(self) -> None:
        self._handle = open_plain(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._reader: BinaryIO = read_plain(self._path)

    def _append(self, line: bytes) -> None:
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError as error:
            os.ftruncate(self._handle, self._end)  # half a line would spoil the next
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        self._end += len(line)

    def _note(self, entry: Entry, offset: int) -> None:
        row = self._rows.setdefault(entry.path, len(self._offsets))
        if row == len(self._offsets):
            self._offsets.append(offset)
        self._offsets[row] = offset
        self.finished = {} if entry.ok else self.finished

    def _line(self, offset: int) -> bytes:
        self._reader.seek(offset)
        return self._reader.readline()


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give the lines of a file with their offsets; none where it is missing."""
    if not path.exists():
        return
    offset = 0
    with read_plain(path) as file:
        for line in file:
            yield offset, line
            offset += len(line)


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
