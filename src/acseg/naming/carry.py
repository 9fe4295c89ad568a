"""Carrying names, merges and drops into an output folder that was predicted before them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from acseg.classes.ids import BACKGROUND, drawn_ids
from acseg.errors import AcsegError, DataError
from acseg.images.bands import PLAIN, Reading
from acseg.images.read import read_image
from acseg.images.records import (
    ClassRecord,
    Record,
    write_classes,
    write_records,
)
from acseg.images.write import label_name, overlay_of, read_labels, write_atomic, write_labels
from acseg.lock import locked
from acseg.naming.edits import Edits
from acseg.naming.output import read_output
from acseg.report.html import write_report
from acseg.report.overlay import encode_overlay
from acseg.segmentation import Segmentation, find_segments

EXEMPLARS = 6  # of a class, in classes.json

Progress = Callable[[str, int, int, str], None]


def carry_into(
    out: Path,
    edits: Edits,
    *,
    reading: Reading = PLAIN,
    progress: Progress = lambda task, done, of, note: None,
) -> list[tuple[str, str]]:
    """Write names, merges and drops into what `predict` left, with the labels it would draw now.

    Label maps and overlays are drawn anew only where a class was merged or dropped. The confidence
    of a merged class is the mean over its parts, a little less than `predict` finds, which knows
    that they no longer compete. A merge that was taken back needs `predict`: label maps do not
    remember it. Doing it twice changes nothing.

    Parameters
    ----------
    out : Path
        What `predict` wrote for this RUN.
    edits : Edits
    reading : Reading
        How the RUN reads photographs.
    progress : callable
        Told (task, done, of, note).

    Returns
    -------
    list of (path, reason)
        Pictures whose label map or overlay could not be drawn anew.

    Raises
    ------
    DataError
        If `out` is no output folder of `predict`, of another RUN, or another call writes it.
    """
    with locked(out / ".acseg" / "lock"):
        return _carry(out, edits, reading, progress)


def _carry(out: Path, edits: Edits, reading: Reading, progress: Progress) -> list[tuple[str, str]]:
    classes, records = read_output(out, edits)
    places = label_name(record.path for record in records)
    if any(s.id in edits.becomes for r in records for s in r.segments):
        (out / ".acseg" / "manifest.jsonl").unlink(missing_ok=True)  # its label maps will not be
    failed = []
    for done, record in enumerate(records, start=1):
        place = record.place(places)
        try:
            if any(s.id in edits.becomes for s in record.segments):
                record = _redraw(out, record, place, edits)
                _overlay(out, record, place, reading)
        except (AcsegError, OSError) as error:
            failed.append((record.path, str(error)))
        named = tuple(replace(s, name=edits.names.get(s.id)) for s in record.segments)
        records[done - 1] = replace(record, segments=named)
        progress("drawing merged classes", done, len(records), "")
    write_records(out / "segments.jsonl", records)
    write_classes(out / "classes.json", merge_records(classes, edits))
    write_report(
        out,
        title="Classes",
        progress=lambda done, of: progress("writing the report", done, of, ""),
    )
    return failed


def _redraw(out: Path, record: Record, place: str, edits: Edits) -> Record:
    """Write the label map of one picture anew, and measure its classes."""
    labels = drawn_ids(edits.becomes)[read_labels(out / place)]
    write_labels(out / place, labels)
    known: dict[int, list[tuple[float, float]]] = {}
    for s in record.segments:
        if s.confidence is not None:
            known.setdefault(edits.becomes.get(s.id, s.id), []).append((s.confidence, s.area))
    if edits.background:
        known.pop(BACKGROUND, None)  # it has no centre that it could be near
    confidence = {c: _mean(pairs) for c, pairs in known.items()}
    return replace(record, segments=find_segments(labels, confidence))


def _overlay(out: Path, record: Record, place: str, reading: Reading) -> None:
    """Draw the overlay of one picture anew, if it has one."""
    path = out / overlay_of(place)
    if not path.exists():
        return
    if record.source is None or not (out / record.source).is_file():
        raise DataError("its photograph is gone, and its overlay still shows the old classes")
    labels = read_labels(out / place)
    found = Segmentation(labels, read_image(out / record.source, reading=reading), "classes")
    write_atomic(path, encode_overlay(found.overlay()))


def _mean(pairs: list[tuple[float, float]]) -> float:
    values, weights = np.array(pairs).T
    return round(float(np.average(values, weights=weights if weights.any() else None)), 4)


def merge_records(classes: list[ClassRecord], edits: Edits) -> list[ClassRecord]:
    """Merge, drop and name the classes of ``classes.json``; shares are of what is still drawn."""
    names = edits.all_names
    parts = {item.id: [item] for item in classes if item.id not in edits.becomes}
    for item in classes:
        into = edits.becomes.get(item.id)
        if into in parts:
            parts[into].append(item)
    total = sum(item.share for own in parts.values() for item in own) or 1.0
    merged = []
    for c, own in parts.items():
        sure = [(item.confidence, item.share) for item in own if item.confidence is not None]
        if edits.background and c == BACKGROUND:
            sure = []
        # in turn the best of each, as many as one class has
        turns = [item.exemplars[i : i + 1] for i in range(EXEMPLARS) for item in own]
        merged.append(
            replace(
                own[0],
                name=names.get(c),
                share=sum(item.share for item in own) / total,
                confidence=_mean(sure) if sure else None,
                exemplars=tuple(exemplar for turn in turns for exemplar in turn)[:EXEMPLARS],
            )
        )
    return merged
