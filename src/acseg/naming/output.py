"""An output folder of `predict`, checked against the RUN whose classes it shows."""

from pathlib import Path

from acseg.errors import DataError
from acseg.images.records import ClassRecord, Record, read_classes, read_records
from acseg.naming.edits import Edits


def read_output(out: Path, edits: Edits) -> tuple[list[ClassRecord], list[Record]]:
    """Read ``classes.json`` and ``segments.jsonl`` of an output folder.

    Raises
    ------
    DataError
        If `out` is no output folder of `predict`, or holds classes that the RUN does not have.
    """
    classes = read_classes(out / "classes.json")
    records = read_records(out / "segments.jsonl")
    ids = {item.id for item in classes} | {s.id for r in records for s in r.segments}
    highest = max(ids, default=0)
    if highest >= edits.count:
        raise DataError(
            f"{out} holds class {highest}, but this RUN has classes 0 to {edits.count - 1}: "
            "it was predicted by another RUN"
        )
    return classes, records
