"""The tables of an output folder, made of the records: segments.jsonl, classes.json, areas.csv."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from acseg.output.areas import area_table, write_areas
from acseg.output.atomic import AtomicFile
from acseg.output.records import Record, iterate_records, read_classes, record_line, write_classes
from acseg.output.tally import Tally
from acseg.untrusted import inside


def write_tables(
    folder: Path, records: Iterable[Record], classes: Mapping[int, str | None] | None
) -> tuple[Tally, str]:
    """Write the tables; the records are read one by one, never held together.

    Parameters
    ----------
    folder : Path
    records : iterable of Record
    classes : mapping of class id to name, or None
        What ``classes.json`` lists, after `predict`; colours that it has already stay.

    Returns
    -------
    tally, digest : Tally, str
        What was written, added up and summed up.
    """
    tally, digest = Tally(), sha256()
    segments, table = inside(folder, "segments.jsonl"), inside(folder, "classes.json")
    with AtomicFile(segments) as file:
        for record in records:
            tally.add(record)
            line = (record_line(record) + "\n").encode("utf-8")
            digest.update(line)
            file.write(line)
    listed = []
    if classes is None:
        table.unlink(missing_ok=True)
    else:
        given = read_classes(table) if table.exists() else []
        listed = tally.classes(classes, {item.id: item.colour for item in given})
        write_classes(table, listed)
        digest.update(table.read_bytes())
    rows = area_table(iterate_records(segments), tally, listed)
    write_areas(inside(folder, "areas.csv"), rows)
    return tally, digest.hexdigest()[:32]


def named(records: Iterable[Record], names: Mapping[int, str]) -> Iterator[Record]:
    """Give classes in records the names that they have now."""
    for record in records:
        if record.kind == "classes":
            segments = tuple(replace(s, name=names.get(s.id)) for s in record.segments)
            record = replace(record, segments=segments)
        yield record
