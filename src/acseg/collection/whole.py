"""Running a model over a folder of pictures: label maps, overlays, records and the report."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from acseg.collection.fingerprint import fingerprint
from acseg.collection.manifest import Entry, Manifest, forget
from acseg.collection.tables import Tables, write_tables
from acseg.collection.work import BATCH, Place, Worker, work
from acseg.errors import DataError, ImageError
from acseg.images.records import Kind, Record, record_line
from acseg.images.stream import stamp
from acseg.images.walk import Failure, Source, find_images
from acseg.images.write import label_name, overlay_of, remove_partials, write_atomic
from acseg.lock import locked
from acseg.model import ACSeg
from acseg.report.html import write_report
from acseg.tiling.sources import large_sources, write_large

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
    its reason, and loses nothing of the others. A call that was killed goes on when it is
    repeated, and a call that ended does only what is new: a picture is done again where its file,
    the model or the settings changed, where its result is gone, and where it failed.

    Parameters
    ----------
    model : ACSeg
    inputs : sequence of path
        Files, folders, globs.
    out : Path
        Gets labels/, overlays/, segments.jsonl, index.html, classes.json with "classes", and
        .acseg/manifest.jsonl, which says what is done.
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
        If nothing was named that could be a picture, OUT cannot be written, or another call
        writes it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write to {out}: {error.strerror}") from error
    sources, failures = find_images(inputs, exclude=[out / "labels", out / "overlays"])
    if not sources and not failures:
        raise DataError("no picture found in " + ", ".join(map(str, inputs)))
    with locked(out / ".acseg" / "lock") as killed:
        if killed:
            for folder in ("labels", "overlays", ".acseg"):
                remove_partials(out / folder, deep=True)
            remove_partials(out)
        if overwrite:
            forget(out / ".acseg" / "manifest.jsonl", out)
            for name in ("segments.jsonl", "classes.json", "index.html"):
                (out / name).unlink(missing_ok=True)
        return _pass(model, sources, failures, out, kind, title, overlays, by, progress)


def _pass(
    model: ACSeg,
    sources: Sequence[Source],
    failures: Sequence[Failure],
    out: Path,
    kind: Kind,
    title: str,
    overlays: bool,
    by: Callable[..., Iterator[tuple[int, Entry]]],
    progress: Progress,
) -> Outcome:
    """Do what is to do, holding the lock of OUT."""
    names = label_name(sources)
    key = fingerprint(model, kind, batch=BATCH)
    root = os.path.abspath(out)

    def place(source: Source) -> Place:
        return Place(names[source.relative], os.path.relpath(source.path, root))

    def counts(index: int, entry: Entry) -> bool:
        belongs = place(sources[index])
        files = wanted(belongs.name, overlays)
        return (
            (entry.model, entry.source) == (key, belongs.source)
            and entry.stamp == stamp(sources[index])
            and all(_length(out / name) == entry.files.get(name) for name in files)
        )

    places = {source.relative: index for index, source in enumerate(sources)}
    with Manifest(out / ".acseg" / "manifest.jsonl", places, counts) as manifest:
        del places
        reused = done = manifest.done
        task = "segmenting" if kind == "concepts" else "predicting"
        put = partial(_put, out)
        worker = Worker(model, kind=kind, key=key, put=put, overlays=overlays)
        large = large_sources(model, sources)
        small = sorted(set(range(len(sources))) - set(large)) if large else None
        for index, entry in by(worker, sources, place, only=small, known=manifest.known):
            manifest.add(index, entry)
            done += 1
            progress(task, done, len(sources), "")
        for index in large:
            if manifest.known(index) is None:
                belongs = place(sources[index])
                manifest.add(index, _do_large(worker, sources[index], belongs, out, progress))
                done += 1
                progress(task, done, len(sources), "")
        missed = (Record.failed(f.path, f.reason, kind=kind) for f in failures)
        tables = write_tables(out, missed, manifest.records(), model, kind)
        report = _report(out, title, tables, manifest, sources, progress)
        manifest.finish(report=report, title=title, tables=tables.digest)
    return Outcome(
        written=tables.written,
        reused=reused,
        failed=tables.failed,
        concepts=tables.segments / max(1, tables.written),
        report=out / "index.html",
    )


def wanted(name: str, overlays: bool) -> Iterator[str]:
    """Name the files in OUT of a picture whose label map is called `name`."""
    yield f"labels/{name}"
    if overlays:
        yield overlay_of(name)


def _do_large(worker: Worker, source: Source, place: Place, out: Path, progress: Progress) -> Entry:
    """Go over a large picture in tiles."""
    before = stamp(source)
    try:
        record = write_large(
            worker.model, source, place.name, out, kind=worker.kind, progress=progress
        )
    except ImageError as error:
        reason = str(error).removeprefix(f"{source.relative}: ")
        return Entry.failed(source.relative, reason, kind=worker.kind)
    except OSError as error:
        reason = f"cannot write its result: {error}"
        return Entry.failed(source.relative, reason, kind=worker.kind)
    width, height = record.size or (0, 0)
    return Entry(
        source.relative,
        record_line(record),
        model=worker.key,
        stamp=before,
        source=place.source,
        size=(height, width),
        files={name: _length(out / name) for name in wanted(place.name, True)},
    )


def _report(
    out: Path,
    title: str,
    tables: Tables,
    manifest: Manifest,
    sources: Sequence[Source],
    progress: Progress,
) -> int:
    """Write the report, unless it is there and shows the same; give its bytes."""
    length = _length(out / "index.html")
    same = {"report": length, "title": title, "tables": tables.digest}
    if length > 0 and manifest.finished == same:
        return length
    write_report(
        out,
        title=title,
        sources={s.relative: s.file for s in sources},
        progress=lambda done, of: progress("writing the report", done, of, ""),
    )
    return _length(out / "index.html")


def _put(out: Path, name: str, data: bytes) -> None:
    write_atomic(out / name, data)


def _length(path: Path) -> int:
    """How many bytes a file has; -1 where it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
