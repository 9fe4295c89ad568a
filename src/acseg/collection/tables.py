"""The tables of OUT, made of the lines of its pictures: segments.jsonl and classes.json."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from acseg.images.colours import colour
from acseg.images.records import (
    ClassRecord,
    Exemplar,
    Kind,
    Record,
    parse_record,
    record_line,
    write_classes,
)
from acseg.images.write import atomic_file

if TYPE_CHECKING:
    from acseg.model import ACSeg

EXEMPLARS = 6  # pictures that show a class


@dataclass
class Tables:
    """What the tables hold: how many pictures, of how many segments; which failed and why."""

    written: int = 0
    segments: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    digest: str = ""


def write_tables(
    out: Path, failures: Iterable[Record], lines: Iterable[str], model: "ACSeg", kind: Kind
) -> Tables:
    """Write segments.jsonl, and classes.json where classes were found.

    Parameters
    ----------
    out : Path
    failures : iterable of Record
        Inputs that gave no picture.
    lines : iterable of str
        The lines of the pictures, in their order; read one by one, never held together.
    model : ACSeg
        Names the classes.
    kind : "concepts" or "classes"
    """
    tables, tally, digest = Tables(), Tally(), sha256()
    names = model.names_ if kind == "classes" else {}
    with atomic_file(out / "segments.jsonl") as file:
        for record in _records(failures, lines, names):
            if record.status == "ok":
                tables.written += 1
                tables.segments += len(record.segments)
                tally.add(record)
            else:
                tables.failed.append((record.path, record.error or ""))
            line = (record_line(record) + "\n").encode("utf-8")
            digest.update(line)
            file.write(line)
    path = out / "classes.json"
    if kind == "classes":
        write_classes(path, tally.classes(model))
        digest.update(path.read_bytes())
    else:
        path.unlink(missing_ok=True)
    tables.digest = digest.hexdigest()[:32]
    return tables


def _records(
    failures: Iterable[Record], lines: Iterable[str], names: Mapping[int, str]
) -> Iterator[Record]:
    """Give all records, with the names that classes have now."""
    yield from failures
    for line in lines:
        record = parse_record(line)
        if record.kind == "classes":
            named = tuple(replace(s, name=names.get(s.id)) for s in record.segments)
            record = replace(record, segments=named)
        yield record


class Tally:
    """Counts the pixels of each class over the collection, and keeps its best regions."""

    def __init__(self) -> None:
        self._pixels: dict[int, int] = {}
        self._sure: dict[int, float] = {}
        self._best: dict[int, list[tuple[float, str, tuple[int, int, int, int]]]] = {}

    def add(self, record: Record) -> None:
        """Count one picture."""
        width, height = record.size or (0, 0)
        for segment in record.segments:
            pixels = round(segment.area * width * height)
            sure = segment.confidence or 0.0
            self._pixels[segment.id] = self._pixels.get(segment.id, 0) + pixels
            if segment.confidence is not None:
                self._sure[segment.id] = self._sure.get(segment.id, 0.0) + sure * pixels
            best = self._best.setdefault(segment.id, [])
            heapq.heappush(best, (sure, record.path, segment.box))
            if len(best) > EXEMPLARS:
                heapq.heappop(best)

    def classes(self, model: "ACSeg") -> list[ClassRecord]:
        """List all classes of the model, those that no picture shows included."""
        total = max(1, sum(self._pixels.values()))
        named = dict(model.names_)
        if model.settings.background:
            named.setdefault(0, "background")
        return [
            ClassRecord(
                id=c,
                name=named.get(c),
                colour=colour(c),
                share=self._pixels.get(c, 0) / total,
                confidence=self._sure[c] / max(1, self._pixels[c]) if c in self._sure else None,
                exemplars=tuple(
                    Exemplar(path, box)
                    for _, path, box in sorted(self._best.get(c, []), reverse=True)
                ),
            )
            for c in model.class_ids
        ]
