"""Carrying names, merges and drops into an output folder that was predicted before them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from acseg.classes.edits import Edits
from acseg.classes.ids import BACKGROUND, drawn_ids
from acseg.collection.predicted import Predicted, keep_predicted, read_predicted
from acseg.errors import AcsegError, DataError
from acseg.images.bands import PLAIN, Reading
from acseg.images.read import read_image
from acseg.output import Output
from acseg.output.claim import Key, edited, edits_text
from acseg.output.label_png import encode_labels
from acseg.output.names import overlay_of
from acseg.output.overlay import encode_overlay, overlay
from acseg.output.palette import VOID
from acseg.output.records import Record
from acseg.output.segments import find_segments
from acseg.output.writing import Writing
from acseg.report.html import write_report

Progress = Callable[[str, int, int, str], None]

TITLE = "Classes"  # of the report


def carry_into(
    out: Path,
    edits: Edits,
    *,
    reading: Reading = PLAIN,
    report: bool = True,
    progress: Progress = lambda task, done, of, note: None,
) -> list[tuple[str, str]]:
    """Write names, merges and drops into what `predict` left, with the labels it would draw now.

    Label maps and overlays are drawn anew only where a class was merged or dropped, and are those
    that `predict` draws. The confidence of a merged class is the mean over the pixels of its parts,
    here as there. Label maps are kept as they were predicted, so that merges and drops can be taken
    back. Doing it twice changes nothing.

    Parameters
    ----------
    out : Path
        What `predict` wrote for this model.
    edits : Edits
    reading : Reading
        How the model reads photographs.
    report : bool, default True
        Write ``index.html`` too; without it, the caller does.
    progress : callable
        Told (task, done, of, note).

    Returns
    -------
    list of (path, reason)
        Pictures whose label map or overlay could not be drawn anew.

    Raises
    ------
    DataError
        If `out` is no output folder of `predict`, of another model, or another call writes it.
    """
    output = Output(out)
    output.require_classes(edits.count)
    with output.editing() as writing:
        failed = _carry(output, writing, edits, reading, progress)
        writing.finish({c: edits.all_names.get(c) for c in edits.drawn}, names=edits.names)
        if report:
            write_report(
                output,
                title=TITLE,
                progress=lambda done, of: progress("writing the report", done, of, ""),
            )
    return failed


def _carry(
    output: Output, writing: Writing, edits: Edits, reading: Reading, progress: Progress
) -> list[tuple[str, str]]:
    failed = []
    total = output.tally().pictures
    found = (record for record in output.records() if record.status == "ok")
    for done, record in enumerate(found, start=1):
        entry = writing.entry(record.path)
        first = read_predicted(output, record)
        key = _key(entry.model if entry else "", edits, record, whole=first is not None)
        wanted = edits_text(edits.becomes)
        changed = any(s.id in edits.becomes for s in record.segments)
        try:
            if first is not None and first.edits == wanted:
                continue
            if first is not None or changed:
                first = first or Predicted(record, output.labels(record), "")
                record = _redraw(output, writing, first, edits, key)
                _overlay(output, writing, record, reading, key)
            elif entry is not None and entry.model != key:
                writing.put(record, {}, key=key)
        except (AcsegError, OSError) as error:
            failed.append((record.path, str(error)))
        progress("drawing merged classes", done, total, "")
    return failed


def _key(key: str, edits: Edits, record: Record, *, whole: bool) -> str:
    """Say what draws a picture now; `whole` where its label map is kept as it was predicted."""
    old = Key.parse(key)
    if not old.model:
        return key
    drawn = {int(pair.split(">")[1]) for pair in old.edits.split(",") if pair}
    never = not drawn & {VOID, *(s.id for s in record.segments)}  # none of it was ever merged
    if whole or never:
        return str(replace(old, edits=edits_text(edits.becomes)))
    return edited(key, edits.becomes)


def _redraw(output: Output, writing: Writing, first: Predicted, edits: Edits, key: str) -> Record:
    """Write the label map of one picture anew, and measure its classes."""
    record, labels = first.record, drawn_ids(edits.becomes)[first.labels]
    known: dict[int, list[tuple[float, float]]] = {}
    for s in record.segments:
        if s.confidence is not None:
            known.setdefault(edits.becomes.get(s.id, s.id), []).append((s.confidence, s.area))
    if edits.background:
        known.pop(BACKGROUND, None)  # it has no centre that it could be near
    confidence = {c: _mean(pairs) for c, pairs in known.items()}
    record = replace(record, segments=find_segments(labels, confidence))
    drawn = encode_labels(labels)
    keep_predicted(output, writing, first, drawn, edits.becomes)
    writing.put(record, {output.place(record): drawn}, key=key)
    return record


def _overlay(output: Output, writing: Writing, record: Record, reading: Reading, key: str) -> None:
    """Draw the overlay of one picture anew, if it has one."""
    if output.overlay(record) is None:
        return
    photograph = output.photograph(record)
    if photograph is None:
        raise DataError("its photograph is gone, and its overlay still shows the old classes")
    drawn = overlay(read_image(photograph, reading=reading), output.labels(record))
    name = overlay_of(output.place(record))
    writing.put(record, {name: encode_overlay(drawn)}, key=key)


def _mean(pairs: list[tuple[float, float]]) -> float:
    values, weights = np.array(pairs).T
    return round(float(np.average(values, weights=weights if weights.any() else None)), 4)
