"""The table of areas, ``areas.csv``: what a spreadsheet or a script starts from.

After `predict` there is a row for each picture, and for each class its ``pixels`` and ``share`` of
the picture, under the class's name (``road pixels``, ``road share``; ``class 3 pixels`` where no
name is known). After `segment`, whose ids mean something in one picture alone, there is a row for
each picture and concept::

    path,width,height,road pixels,road share,class 3 pixels,class 3 share
    path,width,height,concept,pixels,share

Where the size on the ground is known of a picture, ``m2`` comes behind each ``share``; it is empty
for pictures of which it is not. ``pixels`` are those of ``segments.jsonl``: the share, which has
six digits, times the size. Pictures that failed have no row. A name that a spreadsheet would take
for a formula begins with an apostrophe.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from acseg.output.atomic import AtomicFile
from acseg.output.records import ClassRecord, Record, Segment
from acseg.output.tally import Tally

Cell = str | int | float | None

PICTURE = ("path", "width", "height")


def area_table(
    records: Iterable[Record],
    tally: Tally,
    classes: Sequence[ClassRecord],
    *,
    total: bool = False,
) -> Iterator[list[Cell]]:
    """Give the rows of the table, the heading first.

    Parameters
    ----------
    records : iterable of Record
    tally : Tally
        Of these records.
    classes : sequence of ClassRecord
        The columns, after `predict`.
    total : bool, default False
        Add a last row, in which shares are of all pixels.
    """
    ground = tally.georeferenced
    each = ["pixels", "share", "m2"] if ground else ["pixels", "share"]
    if tally.kind == "concepts" and not classes:
        yield [*PICTURE, "concept", *each]
        for record in _found(records):
            for s in record.segments:
                yield [*_picture(record), s.id, *_measures(s, record, ground)]
        if total:
            area = sum(count.area for count in tally.counts.values())
            pixels = sum(count.pixels for count in tally.counts.values())
            share = round(pixels / max(1, tally.pixels), 6)
            yield ["total", None, None, None, pixels, share, *([round(area, 4)] if ground else [])]
        return
    yield [*PICTURE, *(f"{name} {what}" for name in column_names(classes) for what in each)]
    for record in _found(records):
        own = {s.id: s for s in record.segments}
        row = _picture(record)
        for item in classes:
            row += _measures(own.get(item.id), record, ground)
        yield row
    if total:
        row = ["total", None, None]
        for item in classes:
            count = tally.counts.get(item.id)
            pixels, area = (count.pixels, count.area) if count else (0, 0.0)
            row += [pixels, round(pixels / max(1, tally.pixels), 6)]
            row += [round(area, 4)] if ground else []
        yield row


def column_names(classes: Sequence[ClassRecord]) -> list[str]:
    """Name classes, no two alike: ``road``, ``class 3`` where no name is known."""
    names = [item.name or f"class {item.id}" for item in classes]
    counts = Counter(names)
    return [
        f"{name} {item.id}" if counts[name] > 1 else name
        for name, item in zip(names, classes, strict=True)
    ]


def write_areas(path: Path, rows: Iterable[Sequence[Cell]]) -> Path:
    """Write rows as CSV (UTF-8, commas), whole or not at all."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    with AtomicFile(path) as file:
        for row in rows:
            writer.writerow([_plain(cell) for cell in row])
            file.write(line.getvalue())
            line.seek(0)
            line.truncate()
    return path


def _found(records: Iterable[Record]) -> Iterator[Record]:
    return (record for record in records if record.status == "ok")


def _picture(record: Record) -> list[Cell]:
    return [record.path, *(record.size or (None, None))]


def _measures(segment: Segment | None, record: Record, ground: bool) -> list[Cell]:
    width, height = record.size or (0, 0)
    pixels = round(segment.area * width * height) if segment else 0
    row: list[Cell] = [pixels, round(segment.area, 6) if segment else 0]
    if ground:
        row.append(None if record.pixel_area is None else round(pixels * record.pixel_area, 4))
    return row


def _plain(cell: Cell) -> Cell:
    """Keep a spreadsheet from running a name as a formula."""
    return "'" + cell if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else cell
