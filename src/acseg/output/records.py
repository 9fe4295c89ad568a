"""The two files that say what was found: ``segments.jsonl`` and ``classes.json``.

``segments.jsonl`` holds one JSON object a line, one for each input, in the order of the inputs::

    {"path": "sub/a.jpg", "status": "ok", "error": null, "size": [640, 480],
     "labels": "labels/sub/a.png", "source": "../photos/sub/a.jpg",
     "classes": [{"id": 3, "area": 0.41, "box": [0, 12, 640, 300], "confidence": 0.87,
                  "name": "road"}]}

    path        relative name of the input, valid text
    status      "ok" or "failed"; error is the reason, null if ok
    size        width, height of the upright photograph in pixels; may be null if failed
    labels      the label map, source the photograph, both from the folder of the file;
                each may be null
    concepts    what was found, after `segment` (ids of this picture alone), or
    classes     after `predict` (ids with one meaning in all pictures)
    id          0..254, the value in the label map
    area        share of the picture's pixels, 0..1
    box         left, top, width, height in pixels
    confidence  0..1, null if unknown; name only where there is one
    pixel_area  m2 on the ground of a pixel; only where the picture is georeferenced
    tree        a JSON object that acseg keeps as it is, such as the tree of the concepts; only
                where there is one

``classes.json`` holds the classes of a collection::

    {"format": 1,
     "classes": [{"id": 3, "name": "road", "colour": [0, 114, 178], "share": 0.2,
                  "confidence": 0.8, "exemplars": [{"path": "sub/a.jpg", "box": [0, 12, 64, 30]}]}]}

    name        null where none was given
    colour      red, green, blue; "#rrggbb" is read too
    share       of the pixels of the collection, 0..1
    exemplars   regions that show the class well: relative name of the picture, box as above
"""

import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from acseg.errors import DataError
from acseg.names import safe_text
from acseg.output import fields
from acseg.output.atomic import AtomicFile, write_atomic
from acseg.output.fields import Box
from acseg.untrusted import parse_json, read_plain

Kind = Literal["concepts", "classes"]
FORMAT = 1
MOST_BYTES = 2**30  # of classes.json

_T = TypeVar("_T")


@dataclass(frozen=True)
class Segment:
    """One concept or class in one picture; fields as in ``segments.jsonl``."""

    id: int
    area: float
    box: Box
    confidence: float | None = None
    name: str | None = None


@dataclass(frozen=True)
class Record:
    """One line of ``segments.jsonl``; `segments` stand under the key that `kind` names."""

    path: str
    status: Literal["ok", "failed"] = "ok"
    error: str | None = None
    size: tuple[int, int] | None = None
    labels: str | None = None
    source: str | None = None
    kind: Kind = "concepts"
    segments: tuple[Segment, ...] = ()
    pixel_area: float | None = None
    tree: Mapping[str, Any] | None = None

    @classmethod
    def failed(cls, path: str, error: str, *, kind: Kind = "concepts") -> "Record":
        """Record an input that gave nothing, with the reason."""
        return cls(path, "failed", error.removeprefix(f"{path}: "), kind=kind)


@dataclass(frozen=True)
class Exemplar:
    """A region that shows a class well: the picture's relative name and the box in it."""

    path: str
    box: Box


@dataclass(frozen=True)
class ClassRecord:
    """One class of a collection; fields as in ``classes.json``."""

    id: int
    name: str | None
    colour: tuple[int, int, int]
    share: float = 0.0
    confidence: float | None = None
    exemplars: tuple[Exemplar, ...] = ()


def record_line(record: Record) -> str:
    """Write a record as its line of ``segments.jsonl``, without the line break.

    Raises
    ------
    DataError
        Naming the fault, if the record holds what could not be read back.
    """
    line = json.dumps(_record_to_json(record), ensure_ascii=False)
    _parse(f"the record of {safe_text(record.path)}", line, _record_from_json)
    return line


def parse_record(line: str, where: str = "a record") -> Record:
    """Read one line of ``segments.jsonl``; raise DataError, beginning with `where`, if broken."""
    return _parse(where, line, _record_from_json)


def write_records(path: str | Path, records: Iterable[Record]) -> Path:
    """Write ``segments.jsonl``, whole or not at all, one line a record in the order given.

    Raises
    ------
    DataError
        Naming the record and the fault, if it holds what could not be read back.
    """
    with AtomicFile(path) as file:
        for record in records:
            file.write(record_line(record) + "\n")
    return Path(path)


def iterate_records(path: str | Path) -> Iterator[Record]:
    """Read ``segments.jsonl`` record by record, so that it may be longer than memory is large.

    Raises
    ------
    DataError
        Naming the line and the fault, if the file is missing or not as described above.
    """
    try:
        with io.TextIOWrapper(read_plain(Path(path)), encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield parse_record(line, f"{safe_text(path)} line {number}")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def read_records(path: str | Path) -> list[Record]:
    """Read ``segments.jsonl`` as a list; see `iterate_records`."""
    return list(iterate_records(path))


def write_classes(path: str | Path, classes: Sequence[ClassRecord]) -> Path:
    """Write ``classes.json``, whole or not at all."""
    items = [
        {
            "id": item.id,
            "name": item.name,
            "colour": list(item.colour),
            "share": round(item.share, 6),
            "confidence": _rounded(item.confidence),
            "exemplars": [{"path": e.path, "box": list(e.box)} for e in item.exemplars],
        }
        for item in classes
    ]
    text = json.dumps({"format": FORMAT, "classes": items}, ensure_ascii=False, indent=1)
    return write_atomic(path, text + "\n")


def read_classes(path: str | Path) -> list[ClassRecord]:
    """Read ``classes.json``.

    Raises
    ------
    DataError
        Naming the fault, if the file is missing, of a newer format or not as described above.
    """
    try:
        with read_plain(Path(path)) as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        text = data.decode("utf-8")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    return _parse(safe_text(path), text, _classes_from_json)


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(float(value), 4)


def _record_to_json(record: Record) -> dict[str, Any]:
    segments = []
    for segment in record.segments:
        item: dict[str, Any] = {
            "id": segment.id,
            "area": round(segment.area, 6),
            "box": list(segment.box),
            "confidence": _rounded(segment.confidence),
        }
        if segment.name is not None:
            item["name"] = segment.name
        segments.append(item)
    data: dict[str, Any] = {
        "path": safe_text(record.path),
        "status": record.status,
        "error": record.error and safe_text(record.error),
        "size": None if record.size is None else list(record.size),
        "labels": record.labels and safe_text(record.labels),
        "source": record.source and safe_text(record.source),
        record.kind: segments,
    }
    if record.pixel_area is not None:
        data["pixel_area"] = record.pixel_area
    if record.tree is not None:
        data["tree"] = dict(record.tree)
    return data


def _unreadable(path: str | Path, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{safe_text(path)}: no such file; is its folder the output of acseg?")
    return DataError(f"{safe_text(path)}: cannot be read ({error})")


def _parse(where: str, text: str, convert: Callable[[Any], _T]) -> _T:
    try:
        data = parse_json(text)
    except ValueError as error:
        raise DataError(f"{where}: not JSON ({error})") from error
    try:
        return convert(data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        fault = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{where}: not as acseg writes it: {fault[:300]}") from error


def _record_from_json(data: Any) -> Record:
    status = data["status"]
    if status not in ("ok", "failed"):
        raise ValueError(f"status is {status!r}, expected 'ok' or 'failed'")
    kind: Kind = "classes" if "classes" in data else "concepts"
    size = data.get("size")
    if size is None and status == "ok":
        raise ValueError("size is missing although the status is ok")
    name = fields.picture_name if status == "ok" else fields.text
    return Record(
        path=name(data["path"]),
        status=status,
        error=_maybe(fields.text, data.get("error")),
        size=_maybe(fields.size, size),
        labels=_maybe(fields.path_inside, data.get("labels")),
        source=_maybe(fields.text, data.get("source")),
        kind=kind,
        segments=tuple(_segment_from_json(item) for item in data.get(kind, [])),
        pixel_area=_maybe(fields.positive, data.get("pixel_area")),
        tree=_maybe(fields.tree, data.get("tree")),
    )


def _segment_from_json(data: Any) -> Segment:
    return Segment(
        id=fields.label(data["id"]),
        area=fields.share(data["area"], "area"),
        box=fields.box(data["box"]),
        confidence=_maybe(_confidence, data.get("confidence")),
        name=_maybe(fields.text, data.get("name")),
    )


def _classes_from_json(data: Any) -> list[ClassRecord]:
    if data.get("format", FORMAT) > FORMAT:
        raise ValueError(f"format {data['format']} is newer than {FORMAT}; update acseg")
    return [
        ClassRecord(
            id=fields.label(item["id"]),
            name=_maybe(fields.text, item.get("name")),
            colour=fields.colour(item["colour"]),
            share=fields.share(item.get("share", 0.0), "share"),
            confidence=_maybe(_confidence, item.get("confidence")),
            exemplars=tuple(
                Exemplar(fields.text(e["path"]), fields.box(e["box"]))
                for e in item.get("exemplars", [])
            ),
        )
        for item in data["classes"]
    ]


def _confidence(value: Any) -> float:
    return fields.share(value, "confidence")


def _maybe(convert: Callable[[Any], _T], value: Any) -> _T | None:
    return None if value is None else convert(value)
