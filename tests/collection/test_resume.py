"""A pass that is repeated, interrupted, or given something new."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acseg import ACSeg
from acseg.collection import run_collection, work
from acseg.errors import DataError
from acseg.images import stream
from acseg.model.pipeline import Pipeline
from acseg.output.lock import locked
from acseg.output.records import read_classes, read_records

Photos = Callable[..., Path]


class Killed(Exception):
    pass


class Counter:
    """A model that counts the pictures it sees; may end the process at a batch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, at: int = 0) -> None:
        self.seen, self.batches = 0, 0
        real = Pipeline.concepts

        def count(pipeline: Pipeline, images: Any) -> Any:
            self.batches += 1
            if self.batches == at:
                raise Killed
            self.seen += len(images)
            return real(pipeline, images)

        monkeypatch.setattr(Pipeline, "concepts", count)


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> ACSeg:
    return ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "BATCH", 3)
    monkeypatch.setattr(stream, "CHUNK", 8)


@pytest.fixture
def folder(photos: Photos, tmp_path: Path) -> Path:
    folder = photos(tmp_path / "in", [f"{n}.png" for n in range(10)])
    photos(folder / "wide", [f"{n}.jpg" for n in range(4)], size=(30, 57))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8nothing")
    return folder


def files_below(folder: Path) -> dict[str, bytes]:
    found = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


@pytest.mark.parametrize("kind", ["concepts", "classes"])
@pytest.mark.parametrize("at", [1, 2, 4, 6])
def test_an_interrupted_pass_goes_on_to_the_same_bytes_and_does_little_again(
    model: ACSeg,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: Any,
    at: int,
) -> None:
    whole = run_collection(model, [folder], tmp_path / "whole", kind=kind)
    with monkeypatch.context() as patch:
        Counter(patch, at=at)
        with pytest.raises(Killed):
            run_collection(model, [folder], tmp_path / "out", kind=kind)
    assert not (tmp_path / "out" / "segments.jsonl").exists()
    counter = Counter(monkeypatch)
    outcome = run_collection(model, [folder], tmp_path / "out", kind=kind)
    assert files_below(tmp_path / "out") == files_below(tmp_path / "whole")
    assert (outcome.written, outcome.failed) == (whole.written, whole.failed)
    assert outcome.reused >= 3 * (at - 3)  # two batches may be in the air
    assert counter.seen <= 14 - outcome.reused + 2  # the rest of a batch comes with it


def test_the_same_again_does_nothing_and_changes_nothing(
    model: ACSeg, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run_collection(model, [folder], out, kind="classes")
    before = files_below(out)
    written = (out / "labels" / "1.png").stat().st_mtime_ns, (out / "index.html").stat()
    counter = Counter(monkeypatch)
    tasks: list[str] = []
    outcome = run_collection(
        model, [folder], out, kind="classes", progress=lambda task, *more: tasks.append(task)
    )
    assert counter.seen == 0
    assert (outcome.written, outcome.reused, len(outcome.failed)) == (14, 14, 1)
    assert files_below(out) == before
    assert ((out / "labels" / "1.png").stat().st_mtime_ns, (out / "index.html").stat()) == written
    assert "writing the report" not in tasks


def drop_label(folder: Path, out: Path) -> None:
    (out / "labels" / "3.png").unlink()


def cut_overlay(folder: Path, out: Path) -> None:
    os.truncate(out / "overlays" / "3.jpg", 10)


def change_picture(folder: Path, out: Path) -> None:
    Image.fromarray(255 - np.asarray(Image.open(folder / "3.png"))).save(folder / "3.png")


def touch_picture(folder: Path, out: Path) -> None:
    os.utime(folder / "3.png", ns=(1, 1))


def mend_broken(folder: Path, out: Path) -> None:
    (folder / "broken.jpg").write_bytes((folder / "wide" / "0.jpg").read_bytes())


def add_one(folder: Path, out: Path) -> None:
    (folder / "zz.png").write_bytes((folder / "3.png").read_bytes())


@pytest.mark.parametrize(
    "change", [drop_label, cut_overlay, change_picture, touch_picture, mend_broken, add_one]
)
def test_what_changed_is_done_again_and_no_more_than_its_batch(
    model: ACSeg,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path, Path], None],
) -> None:
    out = tmp_path / "out"
    run_collection(model, [folder], out)
    change(folder, out)
    counter = Counter(monkeypatch)
    outcome = run_collection(model, [folder], out)
    assert outcome.reused == outcome.written - 1
    assert 1 <= counter.seen <= 3
    run_collection(model, [folder], tmp_path / "anew")
    mine, anew = files_below(out), files_below(tmp_path / "anew")
    assert mine == anew


def test_another_model_kind_or_settings_are_refused_and_nothing_changes(
    model: ACSeg, folder: Path, tmp_path: Path, tiny_run: Path
) -> None:
    out = tmp_path / "out"
    run_collection(model, [folder], out, kind="classes")
    before = files_below(out)
    other = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    assert other.centres_ is not None
    other.centres_ = -other.centres_
    coarse = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    coarse.granularity = 0.2
    for one, kind, words in (
        (model, "concepts", "out holds classes; use another -o, or --overwrite to start it anew"),
        (other, "classes", "out holds classes of another model; use another -o"),
        (coarse, "classes", "13 pictures in .* were drawn with other settings"),
    ):
        with pytest.raises(DataError, match=words):
            run_collection(one, [folder / "1.png"], out, kind=kind)  # type: ignore[arg-type]
        assert files_below(out) == before
    assert run_collection(coarse, [folder], out, kind="classes").reused == 0  # all of them: redone
    assert run_collection(other, [folder], out, kind="classes", overwrite=True).reused == 0
    assert run_collection(other, [folder], out, kind="classes").reused == 14
    run_collection(model, [folder], out, overwrite=True)
    assert not (out / "classes.json").exists()


def test_a_second_call_adds_and_the_same_picture_is_replaced(
    model: ACSeg, folder: Path, tmp_path: Path
) -> None:
    out, more = tmp_path / "out", tmp_path / "more"
    run_collection(model, [folder], out, kind="classes")
    before = {r.path: r for r in read_records(out / "segments.jsonl")}
    shutil.copytree(folder / "wide", more)
    outcome = run_collection(model, [more, folder / "3.png"], out, kind="classes")
    assert (outcome.written, outcome.reused, outcome.failed) == (5, 1, [])
    records = {r.path: r for r in read_records(out / "segments.jsonl")}
    new = ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert sorted(records) == sorted([*before, *new])
    assert {path: records[path] for path in before} == before
    maps = {r.labels for r in records.values() if r.status == "ok"}
    assert {p.relative_to(out).as_posix() for p in (out / "labels").rglob("*.png")} == maps
    assert (records["3.png"].labels, records["3.jpg"].labels) == (
        "labels/3.png",
        "labels/3.jpg.png",
    )
    total = sum(item.share for item in read_classes(out / "classes.json"))
    assert total == pytest.approx(1, abs=1e-4)
    assert (out / "areas.csv").read_text().count("\n") == 1 + 18
    assert "3.jpg" in (out / "index.html").read_text()
    again = run_collection(model, [more], out, kind="classes")
    assert (again.written, again.reused) == (4, 4)


def test_another_photograph_of_the_same_name_gets_its_folder_in_front(
    model: ACSeg, photos: Photos, tmp_path: Path
) -> None:
    left, right = photos(tmp_path / "left", ["a.png"]), photos(tmp_path / "right", ["a.png"])
    out = tmp_path / "out"
    for folder in (left, right, right, left):
        run_collection(model, [folder], out)
    records = read_records(out / "segments.jsonl")
    assert sorted((r.path, r.labels) for r in records) == [
        ("a.png", "labels/a.png"),
        ("right/a.png", "labels/right/a.png"),
    ]
    left.rename(tmp_path / "moved")
    assert run_collection(model, [tmp_path / "moved"], out).written == 1
    assert len(read_records(out / "segments.jsonl")) == 2


def test_a_picture_that_failed_does_not_fail_the_next_call(
    model: ACSeg, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert len(run_collection(model, [folder], out).failed) == 1
    assert run_collection(model, [folder / "wide"], out).failed == []
    assert len(read_records(out / "segments.jsonl")) == 15


def test_new_names_reach_the_tables_without_the_model(
    folder: Path, tmp_path: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    out = tmp_path / "out"
    run_collection(named, [folder], out, kind="classes")
    before = (out / "index.html").read_bytes()
    named.names_ = {1: "sky", 2: "sea"}
    counter = Counter(monkeypatch)
    run_collection(named, [folder], out, kind="classes")
    assert counter.seen == 0
    assert {c.name for c in read_classes(out / "classes.json")} == {"background", "sky", "sea"}
    names = {s.name for r in read_records(out / "segments.jsonl") for s in r.segments if s.id}
    assert names <= {"sky", "sea"}
    assert names
    assert (out / "index.html").read_bytes() != before


def test_overlays_may_be_left_out_and_come_later(
    model: ACSeg, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run_collection(model, [folder], out, overlays=False)
    assert not (out / "overlays").exists()
    assert run_collection(model, [folder], out, overlays=False).reused == 14
    assert run_collection(model, [folder], out).reused == 0
    assert len(list((out / "overlays").rglob("*.jpg"))) == 14
    assert run_collection(model, [folder], out, overlays=False).reused == 14


def test_overwrite_deletes_what_was_written_and_nothing_else(
    model: ACSeg, folder: Path, tmp_path: Path
) -> None:
    out = folder  # OUT may be INPUT
    (folder / "labels").mkdir()
    (folder / "labels" / "mine.txt").write_text("mine")
    run_collection(model, [folder], out)
    assert (out / ".acseg" / "leaves" / "9.png").exists()
    run_collection(model, [folder], out, kind="classes", overwrite=True)
    assert not list((out / ".acseg" / "leaves").rglob("*.png"))
    (folder / "9.png").unlink()
    outcome = run_collection(model, [folder], out, overwrite=True)
    assert (outcome.written, outcome.reused) == (13, 0)
    assert not (out / "labels" / "9.png").exists()
    assert not (out / ".acseg" / "leaves" / "9.png").exists()
    assert not (out / "classes.json").exists()
    assert (folder / "labels" / "mine.txt").read_text() == "mine"
    assert (folder / "1.png").exists()


def test_a_second_pass_into_the_same_folder_is_refused(
    model: ACSeg, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with locked(out / ".acseg" / "lock"), pytest.raises(DataError, match=r"out.* is being written"):
        run_collection(model, [folder], out)
    assert not (out / "labels").exists()
    assert run_collection(model, [folder], out).written == 14


def test_temporary_files_of_a_killed_call_are_cleaned_up(
    model: ACSeg, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run_collection(model, [folder], out)
    before = files_below(out)
    for place in ("", "labels/wide/", "overlays/", ".acseg/"):
        (out / f"{place}.0123456789abcdef.part").write_text("half")
    (out / ".acseg" / "lock").write_text('{"process": 1, "machine": "x"}')  # as kills do
    run_collection(model, [folder], out)
    assert files_below(out) == before


def test_batches_piece_by_piece_give_the_same_entries(
    model: ACSeg, folder: Path, tmp_path: Path
) -> None:
    """What several machines do: each a part of the list, cut at chunks."""
    from acseg.collection.work import Place, Worker
    from acseg.images.walk import find_images
    from acseg.output.atomic import write_atomic

    sources, _ = find_images([folder])
    results = []
    for name, parts in (("one", [sources]), ("two", [sources[:8], sources[8:]])):
        out = tmp_path / name
        worker = Worker(
            model, kind="concepts", key="k", put=lambda n, d, out=out: write_atomic(out / n, d)
        )
        entries = {}
        for part in parts:
            for _, entry in work.work(worker, part, lambda s: Place(s.relative + ".png", "")):
                entries[entry.path] = entry
        results.append((entries, files_below(out)))
    assert results[0] == results[1]
    assert len(results[0][0]) == 15
