import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acseg import ACSeg
from acseg.collection import Outcome, run_collection, work
from acseg.concepts.tree import ConceptTree
from acseg.errors import DataError
from acseg.output.palette import colour, palette
from acseg.output.records import read_classes, read_records

Photos = Callable[..., Path]


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> ACSeg:
    return ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")


@pytest.fixture
def folder(photos: Photos, tmp_path: Path) -> Path:
    """Pictures whose names meet, in sub-folders, and three that cannot be read."""
    folder = photos(tmp_path / "in", ["a.jpg", "a.png", "b.webp", "sub/a.jpg", "sub/deep/c.tiff"])
    photos(folder / "wide", ["d.bmp"], size=(30, 57))
    exif = Image.Exif()
    exif[0x0112] = 6
    photos(folder / "turned", ["e.jpg"], exif=exif)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8nothing")
    (folder / "sub" / "empty.png").write_bytes(b"")
    Image.new("RGB", (1, 1)).save(folder / "z.png")
    return folder


LABELS = {
    "a.jpg": ("labels/a.jpg.png", (40, 48)),
    "a.png": ("labels/a.png.png", (40, 48)),
    "b.webp": ("labels/b.png", (40, 48)),
    "sub/a.jpg": ("labels/sub/a.png", (40, 48)),
    "sub/deep/c.tiff": ("labels/sub/deep/c.png", (40, 48)),
    "turned/e.jpg": ("labels/turned/e.png", (48, 40)),
    "wide/d.bmp": ("labels/wide/d.png", (57, 30)),
}
BROKEN = ["broken.jpg", "sub/empty.png", "z.png"]


def files_below(folder: Path) -> dict[str, bytes]:
    found = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


@pytest.mark.parametrize("kind", ["concepts", "classes"])
def test_out_holds_what_the_design_says(
    model: ACSeg, folder: Path, tmp_path: Path, kind: Any
) -> None:
    out = tmp_path / "out"
    outcome = run_collection(model, [folder], out, kind=kind)
    labels = {name for name, _ in LABELS.values()}
    overlays = {
        name.replace("labels/", "overlays/").removesuffix(".png") + ".jpg" for name in labels
    }
    tables = {"segments.jsonl", "areas.csv", "index.html"} | (
        {"classes.json"} if kind == "classes" else set()
    )
    hidden = {".acseg/manifest.jsonl", ".acseg/output.json", ".acseg/lock"}
    if kind == "concepts":
        hidden |= {f".acseg/leaves/{name.removeprefix('labels/')}" for name in labels}
    assert set(files_below(out)) == labels | overlays | tables | hidden
    assert outcome.written == len(LABELS)
    assert sorted(path for path, _ in outcome.failed) == BROKEN
    assert outcome.report == out / "index.html"

    lines = [json.loads(line) for line in (out / "segments.jsonl").read_text().splitlines()]
    assert sorted(line["path"] for line in lines) == sorted([*LABELS, *BROKEN])
    for line in lines:
        tree = line.pop("tree", None)
        assert set(line) == {"path", "status", "error", "size", "labels", "source", kind}
        assert (tree is not None) == (kind == "concepts" and line["path"] not in BROKEN)
        if line["path"] in BROKEN:
            assert (line["status"], line["size"], line[kind]) == ("failed", None, [])
            assert line["error"]
            assert str(tmp_path) not in line["error"]
            continue
        name, size = LABELS[line["path"]]
        assert (line["status"], line["error"], line["labels"]) == ("ok", None, name)
        assert tuple(line["size"]) == size
        assert (out / line["source"]).samefile(folder / line["path"])
        with Image.open(out / name) as picture:
            assert (picture.format, picture.mode, picture.size) == ("PNG", "P", size)
            drawn = np.asarray(picture)
            table = np.array(picture.getpalette()).reshape(-1, 3)[: drawn.max() + 1]
        np.testing.assert_array_equal(table, palette(len(table)))
        assert [segment["id"] for segment in line[kind]] == np.unique(drawn).tolist()
        if tree is not None:
            parts = len(ConceptTree.from_dict(tree).cut(0.5).unique())
            assert len(line[kind]) <= parts  # a part may own no pixel
        for segment in line[kind]:
            own = drawn == segment["id"]
            assert segment["area"] == pytest.approx(own.mean(), abs=1e-6)
            rows, columns = np.flatnonzero(own.any(1)), np.flatnonzero(own.any(0))
            left, top, width, height = segment["box"]
            assert (left, left + width - 1) == (columns[0], columns[-1])
            assert (top, top + height - 1) == (rows[0], rows[-1])
            background = kind == "classes" and segment["id"] == 0
            assert (segment["confidence"] is None) == background
        overlay = name.replace("labels/", "overlays/").removesuffix(".png") + ".jpg"
        with Image.open(out / overlay) as picture:
            assert (picture.format, picture.size) == ("JPEG", size)
    assert outcome.concepts == pytest.approx(
        np.mean([len(line[kind]) for line in lines if line["status"] == "ok"])
    )


def test_the_label_maps_are_those_of_the_model(model: ACSeg, folder: Path, tmp_path: Path) -> None:
    run_collection(model, [folder], tmp_path / "one")
    run_collection(model, [folder], tmp_path / "two", kind="classes")
    for path, (name, _) in LABELS.items():
        for out, result in (("one", model.segment), ("two", model.predict)):
            with Image.open(tmp_path / out / name) as picture:
                agree = np.asarray(picture) == result(folder / path).labels
            assert agree.mean() > 0.999  # alone or in a batch: rounding apart


def test_the_same_call_writes_the_same_bytes(
    model: ACSeg, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_collection(model, [folder], tmp_path / "one", kind="classes")
    run_collection(model, [folder], tmp_path / "two", kind="classes")
    assert files_below(tmp_path / "one") == files_below(tmp_path / "two")


def test_classes_say_colour_share_confidence_and_exemplars(
    model: ACSeg, folder: Path, tmp_path: Path, tiny_run: Path
) -> None:
    named = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    named.names_ = {2: "sky"}
    out = tmp_path / "out"
    run_collection(named, [folder], out, kind="classes")
    classes = read_classes(out / "classes.json")
    assert [(c.id, c.name) for c in classes] == [(0, "background"), (1, None), (2, "sky")]
    assert [c.colour for c in classes] == [colour(n) for n in range(3)]
    maps = [np.asarray(Image.open(out / name)).ravel() for name, _ in LABELS.values()]
    counts = np.bincount(np.concatenate(maps), minlength=3)
    assert [c.share for c in classes] == pytest.approx(counts / counts.sum(), abs=1e-5)
    records = {record.path: record for record in read_records(out / "segments.jsonl")}
    for item in classes:
        parts = []
        for record in records.values():
            parts += [
                (s.confidence, s.area * record.size[0] * record.size[1])
                for s in record.segments
                if s.id == item.id and record.size is not None
            ]
        assert len(item.exemplars) == min(6, len(parts))
        for exemplar in item.exemplars:
            boxes = [s.box for s in records[exemplar.path].segments if s.id == item.id]
            assert boxes == [exemplar.box]
        if item.id == 0:
            assert item.confidence is None  # no centre, so no measure of how near it is
        elif parts:
            sure, weight = np.array(parts).T
            assert item.confidence == pytest.approx((sure * weight).sum() / weight.sum(), abs=1e-3)


@pytest.mark.parametrize("where", ["out", ""])
def test_out_may_lie_inside_input_or_be_it(
    model: ACSeg, photos: Photos, tmp_path: Path, where: str
) -> None:
    folder = photos(tmp_path / "in", ["a.png", "sub/b.png"])
    for _ in range(2):  # the second call must not take the overlays of the first
        outcome = run_collection(model, [folder], folder / where)
        assert (outcome.written, outcome.failed) == (2, [])
    records = read_records(folder / where / "segments.jsonl")
    assert [record.path for record in records] == ["a.png", "sub/b.png"]


def test_order_of_lines_is_that_of_the_inputs_whatever_the_shapes(
    model: ACSeg, photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "BATCH", 2)
    folder = tmp_path / "in"
    for n, size in enumerate([(30, 60), (40, 40), (60, 30)] * 3):
        photos(folder / f"{n}", ["a.png"], size=size)
    (folder / "4" / "a.png").write_bytes(b"")
    run_collection(model, [folder], tmp_path / "out")
    paths = [record.path for record in read_records(tmp_path / "out" / "segments.jsonl")]
    assert paths == [f"{n}/a.png" for n in range(9)]


def test_where_all_pictures_fail_the_tables_are_written_all_the_same(
    model: ACSeg, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    for kind in ("concepts", "classes"):
        outcome = run_collection(model, [tmp_path, "gone.jpg"], tmp_path / "out", kind=kind)  # type: ignore[arg-type]
        assert outcome.written == 0
        assert outcome.concepts == 0
        assert [path for path, _ in outcome.failed] == ["gone.jpg", "a.jpg"]
        assert len(read_records(tmp_path / "out" / "segments.jsonl")) == 2
        assert "gone.jpg" in (tmp_path / "out" / "index.html").read_text()


def test_an_output_that_cannot_be_written_is_recorded_and_not_fatal(
    model: ACSeg, photos: Photos, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "in", ["a.png", "b.png", "c.png"])
    (tmp_path / "out" / "labels" / "b.png" / "in-the-way").mkdir(parents=True)
    outcome = run_collection(model, [folder], tmp_path / "out")
    assert outcome.written == 2
    assert [path for path, _ in outcome.failed] == ["b.png"]
    assert "cannot write its result" in outcome.failed[0][1]
    statuses = [record.status for record in read_records(tmp_path / "out" / "segments.jsonl")]
    assert statuses == ["ok", "failed", "ok"]
    assert not list((tmp_path / "out").rglob(".*.part"))


def test_an_out_that_is_a_file_is_said_before_anything_is_done(
    model: ACSeg, photos: Photos, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "in", ["a.png"])
    (tmp_path / "out").write_text("mine")
    for out in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(DataError, match=f"cannot write to {out}: "):
            run_collection(model, [folder], out)
    assert (tmp_path / "out").read_text() == "mine"


def test_no_input_at_all_is_said(model: ACSeg, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no picture found"):
        run_collection(model, [], tmp_path / "out")


def test_progress_rises_to_the_number_of_pictures(
    model: ACSeg, folder: Path, tmp_path: Path
) -> None:
    seen: dict[str, list[tuple[int, int]]] = {}

    def note(task: str, done: int, of: int, text: str) -> None:
        seen.setdefault(task, []).append((done, of))

    run_collection(model, [folder], tmp_path / "out", kind="classes", progress=note)
    assert list(seen) == ["predicting", "writing the report"]
    assert seen["predicting"][-1] == (10, 10)
    assert seen["predicting"] == sorted(seen["predicting"])
    assert seen["writing the report"][-1] == (7, 7)


def test_strange_names_stay_readable(model: ACSeg, photos: Photos, tmp_path: Path) -> None:
    folder = photos(tmp_path / "in", ["a b.png", "ä\u2028.png", "line\nbreak.png", "<b>.png"])
    raw = os.fsencode(folder) + b"/\xff.png"
    os.rename(os.fsencode(folder / "a b.png"), raw)
    outcome = run_collection(model, [folder], tmp_path / "out")
    assert (outcome.written, outcome.failed) == (4, [])
    text = (tmp_path / "out" / "segments.jsonl").read_text(encoding="utf-8")
    assert text.count("\n") == 4
    for record in read_records(tmp_path / "out" / "segments.jsonl"):
        assert record.labels is not None
        assert (tmp_path / "out" / record.labels).is_file()


def test_the_report_needs_nothing_from_outside(model: ACSeg, folder: Path, tmp_path: Path) -> None:
    outcome = run_collection(model, [folder], tmp_path / "out", title="Of <today>")
    assert isinstance(outcome, Outcome)
    assert outcome.report is not None
    page = outcome.report.read_text(encoding="utf-8")
    assert "Of &lt;today&gt;" in page
    assert not re.search(r'(src|href)="https?:', page)
