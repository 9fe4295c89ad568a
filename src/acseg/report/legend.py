"""What the report says of a collection as a whole, gathered in one pass over its records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acseg.errors import AcsegError
from acseg.images.colours import palette
from acseg.images.records import ClassRecord, Kind, Record, iterate_records, read_classes
from acseg.report.thumbnails import crop, jpeg

RECORDS = "segments.jsonl"

_EXEMPLARS = 6  # crops shown for a class
_EXEMPLAR_SIDE = 72


@dataclass
class Seen:
    """One class over all pictures: pixels, pixels of known confidence, confidence times these."""

    pictures: int = 0
    pixels: float = 0.0
    sure_pixels: float = 0.0
    sure: float = 0.0
    name: str | None = None


@dataclass
class Survey:
    """What a collection holds.

    Attributes
    ----------
    kind : "concepts" or "classes"
    total : int
        Pictures with a label map.
    pixels : int
        Of all of them.
    highest : int
        The highest label.
    unplaced : bool
        Whether a record does not say where its label map lies.
    failures : list of (path, reason)
    classes : dict of int to Seen
    given : list of ClassRecord
        What classes.json holds.
    shown : dict of str to Record
        The records of the exemplars.
    """

    kind: Kind = "concepts"
    total: int = 0
    pixels: int = 0
    highest: int = 0
    unplaced: bool = False
    failures: list[tuple[str, str]] = field(default_factory=list)
    classes: dict[int, Seen] = field(default_factory=dict)
    given: list[ClassRecord] = field(default_factory=list)
    shown: dict[str, Record] = field(default_factory=dict)


def take_survey(out: Path) -> Survey:
    """Go over the records of an output folder.

    Raises
    ------
    DataError
        If ``segments.jsonl`` or ``classes.json`` is missing or broken.
    """
    survey = Survey()
    table = out / "classes.json"
    given = read_classes(table) if table.exists() else []
    exemplars = {e.path for item in given for e in item.exemplars[:_EXEMPLARS]}
    for record in iterate_records(out / RECORDS):
        if record.status != "ok":
            survey.failures.append((record.path, record.error or "no reason given"))
            continue
        survey.total += 1
        if record.kind == "classes":
            survey.kind = "classes"
        survey.unplaced |= record.labels is None
        if record.path in exemplars:
            survey.shown[record.path] = record
        _count(survey, record)
    if survey.kind == "classes":
        survey.given = given
    return survey


def _count(survey: Survey, record: Record) -> None:
    width, height = record.size or (0, 0)
    survey.pixels += width * height
    for segment in record.segments:
        survey.highest = max(survey.highest, segment.id)
        seen = survey.classes.setdefault(segment.id, Seen())
        pixels = segment.area * width * height
        seen.pictures += 1
        seen.pixels += pixels
        seen.name = seen.name or segment.name
        if segment.confidence is not None:
            seen.sure_pixels += pixels
            seen.sure += segment.confidence * pixels


def photograph_of(record: Record, out: Path, sources: Mapping[str, str | Path]) -> Path | None:
    """Say where a photograph lies; None where it is no longer there."""
    if record.path in sources:
        return Path(sources[record.path])
    path = out / record.source if record.source else None
    return path if path is not None and path.is_file() else None


def legend(survey: Survey, out: Path, sources: Mapping[str, str | Path]) -> list[dict[str, Any]]:
    """Describe each class; those that ``classes.json`` lacks are measured from the records."""
    classes = {item.id: item for item in survey.given}
    for number in sorted(set(survey.classes) - set(classes)):
        seen = survey.classes[number]
        red, green, blue = palette(number + 1)[number].tolist()
        classes[number] = ClassRecord(
            id=number,
            name=seen.name,
            colour=(red, green, blue),
            share=seen.pixels / (survey.pixels or 1),
            confidence=seen.sure / seen.sure_pixels if seen.sure_pixels else None,
        )
    return [
        {
            "id": item.id,
            "name": item.name,
            "colour": "#" + bytes(item.colour).hex(),
            "share": round(item.share, 4),
            "confidence": item.confidence,
            "pictures": survey.classes.get(item.id, Seen()).pictures,
            "exemplars": _exemplars(item, survey, out, sources),
        }
        for item in sorted(classes.values(), key=lambda item: item.id)
    ]


def _exemplars(
    item: ClassRecord, survey: Survey, out: Path, sources: Mapping[str, str | Path]
) -> list[dict[str, str]]:
    crops = []
    for exemplar in item.exemplars[:_EXEMPLARS]:
        record = survey.shown.get(exemplar.path)
        path = None if record is None else photograph_of(record, out, sources)
        if record is None or record.size is None or path is None:
            continue
        try:
            cut = crop(path, exemplar.box, record.size, _EXEMPLAR_SIDE)
        except AcsegError:
            continue  # the same photograph is named among those not shown
        crops.append({"path": exemplar.path, "crop": jpeg(cut)})
    return crops
