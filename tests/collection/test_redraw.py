import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from acseg import ACSeg
from acseg.classes.edits import Edits
from acseg.collection import run_collection
from acseg.collection.redraw import carry_into
from acseg.errors import DataError
from acseg.images.read import read_image
from acseg.model.folder import edits_of, write_names
from acseg.output.label_png import read_labels
from acseg.output.lock import locked
from acseg.output.overlay import overlay
from acseg.output.records import (
    read_classes,
    read_records,
    write_records,
)


def files(out: Path, *folders: str) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for folder in folders
        for path in sorted((out / folder).iterdir())
    }


def test_names_reach_records_classes_and_report(made) -> None:
    before = files(made.out, "labels", "overlays")
    assert carry_into(made.out, Edits(4, False, {1: "grass", 3: "sun <b>"})) == []
    named = [
        [(s.id, s.name) for s in r.segments] for r in read_records(made.out / "segments.jsonl")
    ]
    assert named[0] == [(0, None), (1, "grass")]
    assert named[2] == [(2, None), (3, "sun <b>")]
    assert [c.name for c in read_classes(made.out / "classes.json")] == [
        None,
        "grass",
        None,
        "sun <b>",
    ]
    assert "grass" in (made.out / "index.html").read_text()
    assert files(made.out, "labels", "overlays") == before
    carry_into(made.out, Edits(4, False))
    assert all(
        s.name is None for r in read_records(made.out / "segments.jsonl") for s in r.segments
    )


def test_merges_and_drops_are_drawn(made) -> None:
    edits = Edits(4, False, {0: "plant"}, {1: 0, 3: 255})
    labels = read_labels(made.out / "labels/2.png")
    assert carry_into(made.out, edits) == []
    first, second, third = read_records(made.out / "segments.jsonl")
    assert [(s.id, s.name, s.area) for s in first.segments] == [(0, "plant", 1.0)]
    assert first.segments[0].confidence == pytest.approx(0.75 * 0.5 + 0.25 * 0.9)
    assert first.segments[0].box == (0, 0, 60, 40)
    assert [s.id for s in second.segments] == [0, 2]
    assert [(s.id, s.area) for s in third.segments] == [(2, 0.75)]
    np.testing.assert_array_equal(
        read_labels(made.out / "labels/2.png"), np.where(labels == 3, 255, labels)
    )
    photo = read_image(made.out / "../photos/2.png")
    plain = np.asarray(overlay(photo, np.where(labels == 3, 255, labels))).astype(int)
    assert abs(read_image(made.out / "overlays/2.jpg") - plain).mean() < 6  # JPEG
    again = files(made.out, "labels", "overlays")
    text = (made.out / "segments.jsonl").read_bytes(), (made.out / "classes.json").read_bytes()
    carry_into(made.out, edits)
    assert files(made.out, "labels", "overlays") == again
    assert text == (
        (made.out / "segments.jsonl").read_bytes(),
        (made.out / "classes.json").read_bytes(),
    )


def test_it_draws_what_predicting_again_draws(tiny_run: Path, photos, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    folder = photos(tmp_path / "photos", [f"{n}.png" for n in range(4)])
    model = ACSeg.from_pretrained(run, device="cpu", precision="float32")
    run_collection(model, [folder], tmp_path / "a", kind="classes")
    model.name({1: "thing"}, merge=[(1, 2)], drop=[0])
    write_names(run, model.names_, model.becomes_)
    run_collection(model, [folder], tmp_path / "b", kind="classes")
    assert carry_into(tmp_path / "a", edits_of(run)) == []
    assert files(tmp_path / "a", "labels") == files(tmp_path / "b", "labels")
    assert files(tmp_path / "a", "overlays") == files(tmp_path / "b", "overlays")
    assert '"name": "thing"' in (tmp_path / "a" / "segments.jsonl").read_text()
    one, two = (read_records(tmp_path / n / "segments.jsonl") for n in "ab")
    for mine, theirs in zip(one, two, strict=True):
        assert [replace(s, confidence=None) for s in mine.segments] == [
            replace(s, confidence=None) for s in theirs.segments
        ]
        assert [s.confidence for s in mine.segments] == pytest.approx(
            [s.confidence for s in theirs.segments], abs=2e-4
        )
    (one,), (two,) = (read_classes(tmp_path / n / "classes.json") for n in "ab")
    assert replace(one, confidence=0) == replace(two, confidence=0)
    assert one.confidence == pytest.approx(two.confidence, abs=2e-4)
    assert one.share == two.share == 1
    # What was carried counts as done, and other pictures can be added.
    assert run_collection(model, [folder], tmp_path / "a", kind="classes").reused == 4
    more = photos(tmp_path / "more", ["x.png"])
    run_collection(model, [more], tmp_path / "a", kind="classes")
    # A merge that is taken back needs predict, on all pictures.
    model.name().becomes_.clear()
    with pytest.raises(DataError, match=r"1 pictures in .* that are not among these were drawn"):
        run_collection(model, [folder], tmp_path / "a", kind="classes")
    run_collection(model, [folder, more], tmp_path / "a", kind="classes")
    run_collection(model, [folder, more], tmp_path / "c", kind="classes")
    assert files(tmp_path / "a", "labels") == files(tmp_path / "c", "labels")


def test_a_photograph_that_is_gone_loses_only_its_overlay(made) -> None:
    (made.out / "../photos/0.png").unlink()
    (made.out / "labels/2.png").write_bytes(b"broken")
    failed = carry_into(made.out, Edits(4, False, {0: "plant"}, {1: 0, 3: 255}))
    assert [path for path, _ in failed] == ["0.png", "2.png"]
    assert "overlay still shows the old classes" in failed[0][1]
    assert (read_labels(made.out / "labels/0.png") == 0).all()
    first = read_records(made.out / "segments.jsonl")[0]
    assert [(s.id, s.name) for s in first.segments] == [(0, "plant")]


def test_no_overlay_is_made_where_there_was_none(made) -> None:
    shutil.rmtree(made.out / "overlays")
    assert carry_into(made.out, Edits(4, False, {}, {1: 0})) == []
    assert not (made.out / "overlays").exists()


def test_failed_pictures_stay_as_they_are(made) -> None:
    path = made.out / "segments.jsonl"
    failed = [r for r in read_records(path)][:1]
    failed[0] = replace(failed[0], path="x.jpg", status="failed", error="broken", segments=())
    write_records(path, [*failed, *read_records(path)])
    assert carry_into(made.out, Edits(4, False, {}, {1: 0})) == []
    assert read_records(path)[0] == failed[0]


def test_the_output_of_another_model_or_of_segment_is_refused(made) -> None:
    before = (made.out / "segments.jsonl").read_bytes()
    with pytest.raises(DataError, match="predicted by another model"):
        carry_into(made.out, Edits(3, False, {0: "x"}))
    with locked(made.out / ".acseg" / "lock"), pytest.raises(DataError, match="another acseg"):
        carry_into(made.out, Edits(4, False, {0: "x"}))
    (made.out / "classes.json").unlink()
    with pytest.raises(DataError, match=r"classes\.json"):
        carry_into(made.out, Edits(4, False, {0: "x"}))
    assert (made.out / "segments.jsonl").read_bytes() == before


def test_progress_is_told(made) -> None:
    told = []
    carry_into(made.out, Edits(4, False), progress=lambda *one: told.append(one))
    assert [one for one in told if one[0] == "writing the report"][-1][1:3] == (3, 3)
    assert json.loads((made.out / "classes.json").read_text())["format"] == 1
