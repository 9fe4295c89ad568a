"""Running a model over a folder of pictures: label maps, overlays, records and the report."""

import heapq
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from acseg.errors import DataError, ImageError
from acseg.images.colours import colour
from acseg.images.records import (
    ClassRecord,
    Exemplar,
    Kind,
    Record,
    write_classes,
    write_records,
)
from acseg.images.stream import Picture, stream_pictures
from acseg.images.walk import Source, find_images
from acseg.images.write import label_name, overlay_name, write_atomic
from acseg.model import ACSeg
from acseg.report.html import write_report
from acseg.segmentation import Segmentation
from acseg.tiling.sources import large_sources, write_large

EXEMPLARS = 6  # pictures that show a class
BATCH = 16  # pictures encoded at once
WRITERS = 2  # threads that write

Progress = Callable[[str, int, int, str], None]


@dataclass
class Outcome:
    """What became of a collection: how many pictures were written, and which failed and why."""

    written: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    concepts: float = 0.0
    report: Path | None = None


def run_collection(
    model: ACSeg,
    inputs: Sequence[str | Path],
    out: Path,
    *,
    kind: Kind = "concepts",
    title: str = "What was found",
    progress: Progress = lambda task, done, of, note: None,
) -> Outcome:
    """Segment ("concepts") or classify ("classes") all pictures of INPUT into OUT.

    A picture that cannot be read, or whose output cannot be written, is skipped, recorded with
    its reason, and loses nothing of the others.

    Parameters
    ----------
    model : ACSeg
    inputs : sequence of path
        Files, folders, globs.
    out : Path
        Gets labels/, overlays/, segments.jsonl, index.html, and classes.json with "classes".
    kind : "concepts" or "classes"
    title : str
        Heading of the report.
    progress : callable
        Told (task, done, of, note).

    Raises
    ------
    DataError
        If nothing was named that could be a picture, or OUT cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write to {out}: {error.strerror}") from error
    sources, failures = find_images(inputs, exclude=[out / "labels", out / "overlays"])
    if not sources and not failures:
        raise DataError("no picture found in " + ", ".join(map(str, inputs)))
    names = label_name(sources)
    records: dict[int, Record] = {}
    task = "segmenting" if kind == "concepts" else "predicting"

    def failed(index: int, source: Source, reason: str) -> None:
        records[index] = Record.failed(source.relative, reason, kind=kind)
        progress(task, len(records), len(sources), "")

    tally = _Tally()
    draw = model.segment_batch if kind == "concepts" else model.predict_batch
    large = large_sources(model, sources)
    stream = stream_pictures(
        sources,
        side=model.side,
        multiple=model.backbone.patch,
        batch=BATCH,
        failed=failed,
        only=sorted(set(range(len(sources))) - set(large)),
        reading=model.settings.reading,
    )
    with ThreadPoolExecutor(WRITERS) as pool:
        writing: list[tuple[Picture, Segmentation, Future[Record]]] = []
        for pictures, images in stream:
            drawn = draw([p.image for p in pictures], images)
            _collect(writing, records, tally, failed)
            writing = [
                (p, s, pool.submit(_write, out, p.source, names[p.source.relative], s))
                for p, s in zip(pictures, drawn, strict=True)
            ]
            progress(task, len(records) + len(writing), len(sources), "")
        _collect(writing, records, tally, failed)
    for index in large:
        source = sources[index]
        try:
            records[index] = write_large(
                model, source, names[source.relative], out, kind=kind, progress=progress
            )
            tally.add(records[index])
        except ImageError as error:
            failed(index, source, str(error))
        except OSError as error:
            failed(index, source, f"cannot write its result: {error}")
    lines = [Record.failed(f.path, f.reason, kind=kind) for f in failures]
    lines += [records[i] for i in sorted(records)]
    write_records(out / "segments.jsonl", lines)
    classes_file = out / "classes.json"
    if kind == "classes":
        write_classes(classes_file, tally.classes(model))
    else:
        classes_file.unlink(missing_ok=True)
    report = write_report(
        out,
        title=title,
        sources={s.relative: s.path for s in sources},
        progress=lambda done, of: progress("writing the report", done, of, ""),
    )
    good = [r for r in lines if r.status == "ok"]
    return Outcome(
        written=len(good),
        failed=[(r.path, r.error or "") for r in lines if r.status == "failed"],
        concepts=float(np.mean([len(r.segments) for r in good])) if good else 0.0,
        report=report,
    )


def _write(out: Path, source: Source, name: str, segmentation: Segmentation) -> Record:
    """Write label map and overlay of one picture."""
    segmentation.save(out / "labels" / name)
    stream = io.BytesIO()
    segmentation.overlay().save(stream, format="JPEG", quality=90)
    write_atomic(out / "overlays" / overlay_name(name), stream.getvalue())
    where = os.path.relpath(source.path, out)
    return segmentation.record(source.relative, labels=f"labels/{name}", source=where)


def _collect(
    writing: Sequence[tuple[Picture, Segmentation, Future[Record]]],
    records: dict[int, Record],
    tally: "_Tally",
    failed: Callable[[int, Source, str], None],
) -> None:
    """Wait for what is being written, and keep its records."""
    for picture, _, future in writing:
        try:
            records[picture.index] = future.result()
            tally.add(records[picture.index])
        except OSError as error:
            failed(picture.index, picture.source, f"cannot write its result: {error}")


class _Tally:
    """Counts the pixels of each class over the collection, and keeps its best regions."""

    def __init__(self) -> None:
        self._pixels: dict[int, int] = {}
        self._sure: dict[int, float] = {}
        self._best: dict[int, list[tuple[float, str, tuple[int, int, int, int]]]] = {}

    def add(self, record: Record) -> None:
        """Count one picture."""
        width, height = record.size or (0, 0)
        path, size = record.path, width * height
        for segment in record.segments:
            pixels = round(segment.area * size)
            sure = segment.confidence or 0.0
            self._pixels[segment.id] = self._pixels.get(segment.id, 0) + pixels
            if segment.confidence is not None:
                self._sure[segment.id] = self._sure.get(segment.id, 0.0) + sure * pixels
            best = self._best.setdefault(segment.id, [])
            heapq.heappush(best, (sure, path, segment.box))
            if len(best) > EXEMPLARS:
                heapq.heappop(best)

    def classes(self, model: ACSeg) -> list[ClassRecord]:
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
                confidence=self._sure[c] / self._pixels[c] if c in self._sure else None,
                exemplars=tuple(
                    Exemplar(path, box)
                    for _, path, box in sorted(self._best.get(c, []), reverse=True)
                ),
            )
            for c in model.class_ids
        ]
