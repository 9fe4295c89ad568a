"""The one class that writes and reads an output folder."""

import csv
from pathlib import Path

import numpy as np
import pytest

from acseg.errors import DataError
from acseg.export.export import export_results
from acseg.output import Output
from acseg.output.label_png import encode_labels
from acseg.output.records import Record
from acseg.output.segments import find_segments

KEY = "model.settings.machine."
CLASSES = {0: "background", 3: "road", 4: "=1+1", 7: None}


def put(out: Path, maps: dict[str, np.ndarray], *, key: str = KEY, **more: float) -> None:
    with Output(out).writing("classes", key) as writing:
        for name, labels in maps.items():
            ((_, place),) = writing.take([(name, out.parent / "photos" / name)])
            height, width = labels.shape
            record = Record(
                name,
                size=(width, height),
                labels=f"labels/{place}",
                source=f"../photos/{name}",
                kind="classes",
                segments=find_segments(labels, {3: 0.5, 7: 1.0}),
                **more,  # type: ignore[arg-type]
            )
            writing.put(record, {f"labels/{place}": encode_labels(labels)})
        writing.finish(CLASSES)


@pytest.fixture
def maps() -> dict[str, np.ndarray]:
    first = np.zeros((10, 20), np.uint8)
    first[:5] = 3
    second = np.full((10, 10), 7, np.uint8)
    second[0] = 255
    return {"a.jpg": first, "sub/b.jpg": second}


def test_what_is_put_is_read(tmp_path: Path, maps: dict[str, np.ndarray]) -> None:
    out = tmp_path / "out"
    put(out, {"a.jpg": maps["a.jpg"]})
    put(out, {"sub/b.jpg": maps["sub/b.jpg"]})
    output = Output(out)
    assert [record.path for record in output.records()] == list(maps)
    for name, labels in maps.items():
        record = output.record(name)
        np.testing.assert_array_equal(output.labels(record), labels)
        assert output.labels_small(record, (5, 5)).shape == (5, 5)
        assert output.photograph(record) is None
        assert output.overlay(record) is None
    photo = tmp_path / "photos" / "a.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"x")
    assert output.photograph(output.record("a.jpg")) == photo
    assert Output(out, photos=photo.parent).photograph(output.record("a.jpg")) == photo
    with pytest.raises(DataError, match=r"c\.jpg is not in"):
        output.record("c.jpg")
    assert output.kind == "classes"
    tally = output.tally()
    assert (tally.pictures, tally.segments, tally.pixels) == (2, 3, 300)
    road = tally.counts[3]
    assert (road.pictures, road.pixels, road.confidence, road.name) == (1, 100, 0.5, "road")
    classes = output.classes()
    assert [(c.id, c.name) for c in classes] == list(CLASSES.items())
    assert [c.share for c in classes] == pytest.approx(
        [100 / 290, 100 / 290, 0, 90 / 290], abs=1e-6
    )


def test_a_link_as_output_folder_is_the_user_s_own(
    tmp_path: Path, maps: dict[str, np.ndarray]
) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "real" / "deep")
    photo = tmp_path / "photos" / "a.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"x")
    put(tmp_path / "out", maps)
    output = Output(tmp_path / "out")
    assert output.photograph(output.record("a.jpg")) == photo


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_areas_of_classes(tmp_path: Path, maps: dict[str, np.ndarray]) -> None:
    out = tmp_path / "out"
    put(out, maps)
    header, first, second = rows(out / "areas.csv")
    assert header == [
        "path", "width", "height", "background pixels", "background share", "road pixels",
        "road share", "=1+1 pixels", "=1+1 share", "class 7 pixels", "class 7 share",
    ][:7] + ["'=1+1 pixels", "'=1+1 share", "class 7 pixels", "class 7 share"]  # fmt: skip
    assert first == ["a.jpg", "20", "10", "100", "0.5", "100", "0.5", "0", "0", "0", "0"]
    assert second == ["sub/b.jpg", "10", "10", "0", "0", "0", "0", "0", "0", "90", "0.9"]


def test_areas_on_the_ground_and_of_concepts(tmp_path: Path, maps: dict[str, np.ndarray]) -> None:
    out = tmp_path / "out"
    put(out, {"a.jpg": maps["a.jpg"]}, pixel_area=0.25)
    put(out, {"sub/b.jpg": maps["sub/b.jpg"]})
    header, first, second = rows(out / "areas.csv")
    assert header[3:6] == ["background pixels", "background share", "background m2"]
    assert (first[5], first[8], second[5]) == ("25.0", "25.0", "")
    with Output(tmp_path / "seg").writing("concepts", KEY) as writing:
        segments = find_segments(maps["a.jpg"])
        record = Record("a.jpg", size=(20, 10), labels="labels/a.png", segments=segments)
        writing.put(record, {"labels/a.png": encode_labels(maps["a.jpg"])})
        writing.finish()
    assert rows(tmp_path / "seg" / "areas.csv") == [
        ["path", "width", "height", "concept", "pixels", "share"],
        ["a.jpg", "20", "10", "0", "100", "0.5"],
        ["a.jpg", "20", "10", "3", "100", "0.5"],
    ]


def test_tables_for_spreadsheets_have_totals(tmp_path: Path, maps: dict[str, np.ndarray]) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    out = tmp_path / "out"
    put(out, maps)
    assert export_results(out, tmp_path / "t.csv", format="csv").written == 2
    table = rows(tmp_path / "t.csv")
    total = ["100", "0.333333", "100", "0.333333", "0", "0.0", "90", "0.3"]
    assert table[-1] == ["total", "", "", *total]
    assert table[:-1] == rows(out / "areas.csv")
    export_results(out, tmp_path / "t.xlsx", format="xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx").active
    read = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert read[0][7] == "=1+1 pixels"
    assert sheet.cell(1, 8).data_type == "s"
    assert read[1][:4] == ["a.jpg", 20, 10, 100]
    assert [str(value) for value in read[-1][3:5]] == total[:2]
    export_results(out, tmp_path / "folder", format="csv")
    assert (tmp_path / "folder" / "areas.csv").exists()
    with pytest.raises(DataError, match="belongs to what is exported"):
        export_results(out, out / "areas.csv", format="csv", overwrite=True)


def test_pictures_drawn_with_other_merges_are_not_mixed(
    tmp_path: Path, maps: dict[str, np.ndarray]
) -> None:
    put(tmp_path / "out", {"a.jpg": maps["a.jpg"]})
    with pytest.raises(DataError, match=r"1 pictures in .*other settings, merges or drops"):
        put(tmp_path / "out", {"sub/b.jpg": maps["sub/b.jpg"]}, key=KEY + "7>3")
    put(tmp_path / "out", {"a.jpg": maps["a.jpg"]}, key=KEY + "7>3")
    with pytest.raises(DataError, match="out holds classes of another model; use another -o"):
        put(tmp_path / "out", {"a.jpg": maps["a.jpg"]}, key="other.settings.machine.")
