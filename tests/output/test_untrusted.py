"""An output folder that somebody else may have prepared: links, forged files, files of others."""

import errno
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acseg import ACSeg
from acseg.app.folders import Folder
from acseg.app.limits import Budget, Limits
from acseg.collection import run_collection
from acseg.errors import AcsegError, DataError
from acseg.evaluation.folder import evaluate_folders
from acseg.export.export import export_results
from acseg.names import safe_text
from acseg.output import Output
from acseg.output.atomic import write_atomic
from acseg.output.label_png import write_labels
from acseg.output.manifest import Entry, Manifest
from acseg.output.names import label_name
from acseg.output.records import Record, write_records
from acseg.report.html import write_report
from acseg.report.sheets import write_sheets

Photos = Callable[..., Path]


def served(out: Path) -> Folder:
    """Open a folder as the application does."""
    return Folder(0, out, Limits(), Budget(2**30))


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> ACSeg:
    return ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")


@pytest.fixture
def folder(photos: Photos, tmp_path: Path) -> Path:
    return photos(tmp_path / "in", ["a.png", "sub/b.png"])


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of somebody's own files, called as those of acseg are."""
    place = tmp_path / "victim"
    for name in ("a.png", "sub/b.png", "a.jpg", "lock", "manifest.jsonl", "segments.jsonl"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("precious")
    return place


def state(place: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()}


LINKS = [
    ("labels", "."), ("overlays", "."), ("labels/sub", "sub"), (".acseg", "."),
    (".acseg/lock", "lock"), (".acseg/manifest.jsonl", "manifest.jsonl"),
    (".acseg/output.json", "lock"), ("segments.jsonl", "segments.jsonl"),
    ("classes.json", "lock"), ("areas.csv", "lock"), ("index.html", "lock"),
]  # fmt: skip


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(("name", "to"), LINKS)
def test_nothing_is_written_or_deleted_through_a_link(
    model: ACSeg,
    folder: Path,
    tmp_path: Path,
    victim: Path,
    name: str,
    to: str,
    overwrite: bool,
) -> None:
    out = tmp_path / "out"
    run_collection(model, [folder], out)
    place = out / name
    if place.is_dir():
        place.rename(tmp_path / "away")
    else:
        place.unlink(missing_ok=True)
    place.symlink_to(victim / to)
    before = state(victim)
    with pytest.raises(DataError, match=r"^[^\n]*is a symbolic link[^\n]*$"):
        run_collection(model, [folder], out, overwrite=overwrite)
    assert state(victim) == before


def test_a_forged_manifest_deletes_nothing_outside(
    model: ACSeg, folder: Path, tmp_path: Path, victim: Path
) -> None:
    out = tmp_path / "out"
    run_collection(model, [folder], out)
    line = json.dumps({"path": "x", "status": "failed", "error": "", "concepts": []})
    names = ["../victim/a.png", "labels/../../victim/a.png", str(victim / "a.png"), "notes.txt"]
    (out / "notes.txt").write_text("mine")
    with Manifest(out / ".acseg" / "manifest.jsonl") as manifest:
        manifest.add(Entry("x", line, files=dict.fromkeys(names, 1)))
    before = state(victim)
    run_collection(model, [folder], out, overwrite=True)
    assert state(victim) == before
    assert (out / "notes.txt").read_text() == "mine"


def test_files_that_were_there_before_are_not_replaced(
    model: ACSeg, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "labels").mkdir(parents=True)
    (out / "labels" / "a.png").write_text("mine")
    for overwrite in (False, False, True):
        outcome = run_collection(model, [folder], out, overwrite=overwrite)
        assert [path for path, _ in outcome.failed] == ["a.png"]
        assert "acseg did not write it" in outcome.failed[0][1]
        assert (out / "labels" / "a.png").read_text() == "mine"
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("mine")
    with pytest.raises(DataError, match=r"holds index\.html, of which it does not say which model"):
        run_collection(model, [folder], tmp_path / "site", overwrite=True)
    assert (tmp_path / "site" / "index.html").read_text() == "mine"


@pytest.mark.parametrize("name", ["labels", "labels/a.png"])
def test_no_reader_follows_a_link(model: ACSeg, folder: Path, tmp_path: Path, name: str) -> None:
    out, secret = tmp_path / "out", tmp_path / "secret"
    run_collection(model, [folder], out)
    (out / name).rename(secret)
    (out / name).symlink_to(secret)
    found = export_results(out, tmp_path / "to", format="index")
    assert "a.png" in [path for path, _ in found.failed]
    assert "symbolic link" in found.failed[0][1]
    assert not (tmp_path / "to" / "a.png").exists()
    record = Output(out).record("a.png")
    with pytest.raises(DataError, match="symbolic link"):
        Output(out).labels(record)
    assert "symbolic link" in write_report(out).read_text()
    with pytest.raises(DataError):
        served(out).file("labels.png", "a.png")
    with pytest.raises(DataError, match="symbolic link"):
        evaluate_folders(out / "labels", folder)


def test_a_folder_of_sheets_that_is_a_link_is_left_alone(
    model: ACSeg, folder: Path, tmp_path: Path, victim: Path
) -> None:
    run_collection(model, [folder], tmp_path / "out")
    (tmp_path / "out" / "sheets").symlink_to(victim)
    (victim / "2.jpg").write_text("precious")
    before = state(victim)
    with pytest.raises(DataError, match="symbolic link"):
        write_sheets(tmp_path / "out")
    assert state(victim) == before


@pytest.mark.parametrize("path", ["", ".", "..", "/", None, 3, []])
def test_a_record_without_a_name_is_one_line(tmp_path: Path, path: object) -> None:
    line = {"path": path, "status": "ok", "size": [4, 3], "labels": "labels/a.png", "classes": []}
    (tmp_path / "segments.jsonl").write_text(json.dumps(line))
    for read in (
        lambda: export_results(tmp_path, tmp_path / "to", format="coco"),
        lambda: write_report(tmp_path),
        lambda: served(tmp_path),
        lambda: write_sheets(tmp_path),
    ):
        with pytest.raises(DataError, match=r"segments\.jsonl line 1: not as acseg writes it"):
            read()


def test_text_that_changes_its_direction_is_shown_as_it_is() -> None:
    assert safe_text("photo\u202egnp.exe") == "photo%E2%80%AEgnp.exe"
    assert safe_text("\u2067a\u2069\u200e") == "%E2%81%A7a%E2%81%A9%E2%80%8E"
    assert safe_text("עברית 👩‍🌾 e\u0301") == "עברית 👩‍🌾 e\u0301"


def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("acseg.output.atomic.os.replace", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*labels/a\.png'"):
        write_atomic(tmp_path / "labels" / "a.png", b"x")


def test_names_that_differ_in_case_alone_do_not_meet() -> None:
    places = label_name(["A.jpg", "a.jpg", "Sub/b.png", "sub/b.png", "c.jpg"])
    assert places == {
        "A.jpg": "A.jpg.png",
        "a.jpg": "a.jpg~2.png",
        "Sub/b.png": "Sub/b.png.png",
        "sub/b.png": "sub/b.png~2.png",
        "c.jpg": "c.png",
    }
    assert label_name(["a.tif", "b.tif"], {"a.jpg": "a.png", "b.tif": "b.tif.png"}) == {
        "a.tif": "a.tif.png",
        "b.tif": "b.tif.png",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_nobody_waits_for_a_pipe(model: ACSeg, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_collection(model, [folder], out)
    for name in ("segments.jsonl", ".acseg/manifest.jsonl", ".acseg/output.json", ".acseg/lock"):
        kept = (out / name).read_bytes()
        (out / name).unlink()
        os.mkfifo(out / name)
        with suppress(AcsegError, OSError):  # replacing the pipe by a file is right, too
            run_collection(model, [folder], out)
        (out / name).unlink()
        (out / name).write_bytes(kept)


def test_labels_must_be_as_large_as_the_picture_and_in_range(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels" / "a.png", np.zeros((3, 4), np.uint8))
    Image.fromarray(np.full((3, 4), 300, np.uint16)).save(tmp_path / "labels" / "b.png")
    records = [Record(n, size=s, labels=f"labels/{n}") for n, s in
               (("a.png", (3, 4)), ("b.png", (4, 3)))]  # fmt: skip
    write_records(tmp_path / "segments.jsonl", records)
    with pytest.raises(DataError, match="as large as its picture"):
        Output(tmp_path).labels(records[0])
    with pytest.raises(DataError, match="holds 300"):
        Output(tmp_path).labels(records[1])
