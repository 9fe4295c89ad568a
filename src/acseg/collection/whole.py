"""Running a model over a folder of pictures: label maps, overlays, records and the report."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from acseg.collection.fingerprint import fingerprint
from acseg.collection.large import large_sources, write_large
from acseg.collection.work import BATCH, Place, Worker, work
from acseg.errors import DataError, ImageError
from acseg.images.georeference import pixel_area
from acseg.images.stream import stamp
from acseg.images.walk import Failure, Source, find_images
from acseg.model import ACSeg
from acseg.output import Output
from acseg.output.manifest import Entry
from acseg.output.names import overlay_of, source_of
from acseg.output.records import Kind, Record, record_line
from acseg.output.writing import Writing
from acseg.report.html import write_report

Progress = Callable[[str, int, int, str], None]


@dataclass
class Outcome:
    """What became of a collection.

    Attributes
    ----------
    written : int
        Pictures that have a label map now.
    reused : int
        How many of them an earlier call had done.
    failed : list of (path, reason)
    concepts : float
        Concepts or classes in a picture, on average.
    report : Path
    """

    written: int = 0
    reused: int = 0
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
    overlays: bool = True,
    overwrite: bool = False,
    by: Callable[..., Iterator[tuple[int, Entry]]] = work,
    progress: Progress = lambda task, done, of, note: None,
) -> Outcome:
    """Segment ("concepts") or classify ("classes") all pictures of INPUT into OUT.

    A picture that cannot be read, or whose output cannot be written, is skipped, recorded with
    its reason, and loses nothing of the others. Pictures of earlier calls stay; the same picture
    again is replaced. A call that was killed resumes when it is repeated, and one that ended does
    only what is new: a picture is done again where its file or the device changed, where its
    result is gone, and where it failed.

    Parameters
    ----------
    model : ACSeg
    inputs : sequence of path
        Files, folders, globs.
    out : Path
        What is written is described in `acseg.output.output`.
    kind : "concepts" or "classes"
    title : str
        Heading of the report.
    overlays : bool
        Whether overlays are written; they are nine tenths of the bytes.
    overwrite : bool
        Start anew: delete what an earlier call wrote to OUT, and nothing else.
    by : callable
        What does the pictures: this machine (`acseg.collection.work.work`), or a cluster
        (`acseg.cluster.ray_pass.RayWork`).
    progress : callable
        Told (task, done, of, note).

    Raises
    ------
    DataError
        If nothing was named that could be a picture, OUT cannot be written, another call writes
        it, or it holds results of another kind or model.
    """
    sources, failures = find_images(inputs, exclude=[out])
    if not sources and not failures:
        raise DataError("no picture found in " + ", ".join(map(str, inputs)))
    key = fingerprint(model, kind, batch=BATCH)
    with Output(out).writing(kind, key, overwrite=overwrite) as writing:
        return _pass(model, key, sources, failures, writing, kind, title, overlays, by, progress)


def _pass(
    model: ACSeg,
    key: str,
    sources: Sequence[Source],
    failures: Sequence[Failure],
    writing: Writing,
    kind: Kind,
    title: str,
    overlays: bool,
    by: Callable[..., Iterator[tuple[int, Entry]]],
    progress: Progress,
) -> Outcome:
    """Do what is to do, holding the lock of OUT."""
    out = writing.folder
    taken = writing.take([(s.relative, s.path) for s in sources])
    sources = [
        s if s.relative == name else replace(s, relative=name)
        for s, (name, _) in zip(sources, taken, strict=True)
    ]
    names = dict(taken)

    def place(source: Source) -> Place:
        return Place(names[source.relative], source_of(out, source.path))

    sizes = np.zeros((len(sources), 2), np.int32)  # of pictures that are done
    for index, source in enumerate(sources):
        belongs = place(source)
        found = writing.done(
            source.relative,
            source=belongs.source,
            stamp=lambda source=source: stamp(source),  # type: ignore[misc]
            files=wanted(belongs.name, overlays),
        )
        sizes[index] = found or 0

    def known(index: int) -> tuple[int, int] | None:
        height, width = sizes[index].tolist()
        return (height, width) if height else None

    reused = done = int(np.count_nonzero(sizes[:, 0]))
    task = "segmenting" if kind == "concepts" else "predicting"
    worker = Worker(model, kind=kind, key=key, put=writing.write, overlays=overlays)
    large = large_sources(model, sources)
    small = sorted(set(range(len(sources))) - set(large)) if large else None
    for _, entry in by(worker, sources, place, only=small, known=known):
        writing.add(entry)
        done += 1
        progress(task, done, len(sources), "")
    for index in large:
        if known(index) is None:
            source = sources[index]
            writing.add(_do_large(worker, source, place(source), writing, progress))
            done += 1
            progress(task, done, len(sources), "")
    classes = named_classes(model) if kind == "classes" else None
    missed = [Record.failed(f.path, f.reason, kind=kind) for f in failures]
    tables = writing.finish(classes, names=model.names_, failures=missed)
    report = {"title": title, "tables": tables.digest}
    length = writing.length("index.html")
    if length < 1 or not writing.settled(report=length, **report):
        write_report(
            Output(out, photos={s.relative: s.file for s in sources}),
            title=title,
            progress=lambda done, of: progress("writing the report", done, of, ""),
        )
    writing.settle(report=writing.length("index.html"), **report)
    return Outcome(
        written=tables.own.pictures,
        reused=reused,
        failed=tables.own.failed,
        concepts=tables.own.segments / max(1, tables.own.pictures),
        report=out / "index.html",
    )


def named_classes(model: ACSeg) -> dict[int, str | None]:
    """Name the classes that a model draws; the background is called so where it has no name."""
    names = model.edits.all_names
    return {c: names.get(c) for c in model.class_ids}


def wanted(name: str, overlays: bool) -> Iterator[str]:
    """Name the files in OUT of a picture whose label map is called `name`."""
    yield f"labels/{name}"
    if overlays:
        yield overlay_of(name)


def _do_large(
    worker: Worker, source: Source, place: Place, writing: Writing, progress: Progress
) -> Entry:
    """Go over a large picture in tiles."""
    before, out = stamp(source), writing.folder
    try:
        for name in wanted(place.name, True):
            writing.writable(name)
        record = write_large(
            worker.model, source, place.name, out, kind=worker.kind, progress=progress
        )
    except ImageError as error:
        reason = str(error).removeprefix(f"{source.relative}: ")
        return Entry.failed(source.relative, reason, kind=worker.kind)
    except (DataError, OSError) as error:
        reason = f"cannot write its result: {error}"
        return Entry.failed(source.relative, reason, kind=worker.kind)
    width, height = record.size or (0, 0)
    return Entry(
        source.relative,
        record_line(replace(record, pixel_area=pixel_area(source.path))),
        model=worker.key,
        stamp=before,
        source=place.source,
        size=(height, width),
        files={name: writing.length(name) for name in wanted(place.name, True)},
    )
