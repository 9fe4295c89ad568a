import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acseg.app.browse import PAGE, Folder, page_of
from acseg.errors import DataError
from acseg.output.label_png import read_labels
from acseg.output.records import write_records


@pytest.fixture
def out(app_root: Path, tmp_path: Path) -> Path:
    """Copy an output folder, to be changed."""
    return shutil.copytree(app_root / "out", tmp_path / "deep" / "out")


def test_it_reads_what_predict_wrote(out: Path) -> None:
    folder = Folder(out)
    assert [r.path for r in folder.records][::2] == ["a.png", "sub/b.png"]
    assert folder.classes == [0, 1, 2]
    assert folder.names == {0: "background"}
    assert folder.subfolders == [".", "sub"]
    assert folder.failed == 0


def test_no_output_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no output folder: it has no segments\.jsonl"):
        Folder(tmp_path)


def test_find_by_class_folder_and_name(out: Path) -> None:
    folder = Folder(out)
    assert folder.find() == [0, 1, 2]
    assert folder.find(subfolder="sub") == [1, 2]
    assert folder.find(text="B.PN") == [2]
    assert folder.find(text="nothing") == []
    for label in folder.classes:
        share = {
            i: sum(s.area for s in r.segments if s.id == label)
            for i, r in enumerate(folder.records)
        }
        found = folder.find(label=label)
        assert set(found) == {i for i, s in share.items() if s > 0}
        assert [share[i] for i in found] == sorted((share[i] for i in found), reverse=True)


@pytest.mark.parametrize("what", ["labels", "overlays", "labels/a.png", "overlays/a.jpg"])
def test_nothing_is_shown_through_a_link(out: Path, what: str) -> None:
    (out / what).rename(out.parent / "elsewhere")
    (out / what).symlink_to(out.parent / "elsewhere")
    folder = Folder(out)
    with pytest.raises(DataError, match="missing"):
        folder.show(0, 200)
    if what.startswith("overlays"):
        assert folder.thumbnail(0) is None


def test_records_that_point_outside_show_nothing(out: Path) -> None:
    photograph = out.parent / "private.png"
    Image.new("L", (40, 48)).save(photograph)
    shutil.copy(out / "overlays/a.jpg", out.parent / "private.jpg")
    folder = Folder(out)
    record = folder.records[0]
    for place in ("../private.png", "labels/../../private.png", str(photograph)):
        folder.records = [dataclasses.replace(record, labels=place, source=str(photograph))]
        assert folder.thumbnail(0) is None
        with pytest.raises(DataError, match="missing"):
            folder.show(0, 200)


def test_thumbnails_dim_what_is_not_of_the_class(out: Path) -> None:
    folder = Folder(out)
    label = folder.records[0].segments[0].id
    plain, lit = folder.thumbnail(0), folder.thumbnail(0, label)
    assert plain is not None
    assert lit is not None
    own = read_labels(out / "labels/a.png") == label
    before, after = np.asarray(plain, float), np.asarray(lit, float)
    assert before.shape[:2] == own.shape
    np.testing.assert_array_equal(before[own], after[own])
    assert after[~own].mean() < 0.3 * before[~own].mean()


def test_one_picture_with_the_names_of_its_classes(out: Path) -> None:
    shown = Folder(out).show(0, 30)
    assert shown.drawn.size == shown.labels.shape[::-1]
    assert min(shown.drawn.size) == 30
    assert {s.id: s.name for s in shown.record.segments}.get(0, "background") == "background"


def test_broken_files_are_passed_over(out: Path) -> None:
    (out / "overlays/a.jpg").write_bytes(b"broken")
    assert Folder(out).thumbnail(0) is None
    (out / "labels/sub/b.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"sub/b\.png: its overlay or its label map"):
        Folder(out).show(2, 100)


def test_what_was_written_again_is_read_again(out: Path) -> None:
    folder = Folder(out)
    write_records(out / "segments.jsonl", folder.records[:1])
    os.utime(out / "segments.jsonl", ns=(1, 1))
    folder.read()
    assert len(folder.records) == 1


def test_pages() -> None:
    places = list(range(2 * PAGE + 1))
    assert page_of(places, 1) == (places[:PAGE], 1, 3)
    assert page_of(places, 3) == (places[-1:], 3, 3)
    assert page_of(places, 99)[1:] == (3, 3)
    assert page_of(places, -4)[1:] == (1, 3)
    assert page_of([], 1) == ([], 1, 1)
