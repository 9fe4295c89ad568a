"""Carrying names, merges and drops into an output folder that was predicted before them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from acseg.classes.edits import Edits
from acseg.classes.ids import BACKGROUND, drawn_ids
from acseg.errors import AcsegError, DataError
from acseg.images.bands import PLAIN, Reading
from acseg.images.read import read_image
from acseg.model.segmentation import find_segments
from acseg.output import Output
from acseg.output.claim import edited
from acseg.output.label_png import encode_labels
from acseg.output.names import overlay_of
from acseg.output.overlay import encode_overlay, overlay
from acseg.output.records import Record
from acseg.output.writing import Writing
from acseg.report.html import write_report

Progress = Callable[[str, int, int, str], None]


def carry_into(
    out: Path,
    edits: Edits,
    *,
    reading: Reading = PLAIN,
    progress: Progress = lambda task, done, of, note: None,
) -> list[tuple[str, str]]:
    """Write names, merges and drops into what `predict` left, with the labels it would draw now.

    Label maps and overlays are drawn anew only where a class was merged or dropped, and are those
    that `predict` draws. The confidence of a merged class is the mean over the pixels of its parts,
    here as there. A merge that was taken back needs `predict`: label maps do not remember it. Doing
    it twice changes nothing.

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
    output = Output(out)
    output.require_classes(edits.count)
    with output.editing() as writing:
        failed = _carry(output, writing, edits, reading, progress)
        writing.finish({c: edits.all_names.get(c) for c in edits.drawn}, names=edits.names)
        write_report(
            output,
            title="Classes",
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
        key = edited(entry.model, edits.becomes) if entry else ""
        changed = any(s.id in edits.becomes for s in record.segments)
        try:
            if changed:
                record = _redraw(output, writing, record, edits, key)
                _overlay(output, writing, record, reading, key)
            elif entry is not None and entry.model != key:
                writing.put(record, {}, key=key)
        except (AcsegError, OSError) as error:
            failed.append((record.path, str(error)))
        progress("drawing merged classes", done, total, "")
    return failed


def _redraw(output: Output, writing: Writing, record: Record, edits: Edits, key: str) -> Record:
    """Write the label map of one picture anew, and measure its classes."""
    labels = drawn_ids(edits.becomes)[output.labels(record)]
    known: dict[int, list[tuple[float, float]]] = {}
    for s in record.segments:
        if s.confidence is not None:
            known.setdefault(edits.becomes.get(s.id, s.id), []).append((s.confidence, s.area))
    if edits.background:
        known.pop(BACKGROUND, None)  # it has no centre that it could be near
    confidence = {c: _mean(pairs) for c, pairs in known.items()}
    record = replace(record, segments=find_segments(labels, confidence))
    writing.put(record, {output.place(record): encode_labels(labels)}, key=key)
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
