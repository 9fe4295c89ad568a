import json
from pathlib import Path
from typing import Any

import pytest

from acseg.errors import DataError
from acseg.output.records import (
    ClassRecord,
    Exemplar,
    Record,
    Segment,
    read_classes,
    read_records,
    write_classes,
    write_records,
)

FOUND = Record(
    "sub/a.jpg",
    size=(640, 480),
    labels="labels/sub/a.png",
    source="../photos/sub/a.jpg",
    kind="classes",
    segments=(
        Segment(3, 0.25, (0, 12, 640, 300), 0.875, "road"),
        Segment(7, 0.5, (1, 2, 3, 4), None),
    ),
)
CLASSES = [
    ClassRecord(0, None, (1, 2, 3)),
    ClassRecord(3, "road", (0, 114, 178), 0.25, 0.5, (Exemplar("sub/a.jpg", (0, 12, 64, 30)),)),
]


def test_records_come_back_in_their_order(tmp_path: Path) -> None:
    records = [
        Record.failed("z.jpg", "z.jpg: the file is empty"),
        FOUND,
        Record("b.jpg", size=(9, 9), segments=(Segment(0, 1.0, (0, 0, 9, 9), 0.5),)),
    ]
    path = write_records(tmp_path / "segments.jsonl", records)
    assert read_records(path) == records
    assert records[0].error == "the file is empty"


def test_the_lines_are_as_described(tmp_path: Path) -> None:
    text = write_records(tmp_path / "segments.jsonl", [FOUND]).read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert json.loads(text) == {
        "path": "sub/a.jpg",
        "status": "ok",
        "error": None,
        "size": [640, 480],
        "labels": "labels/sub/a.png",
        "source": "../photos/sub/a.jpg",
        "classes": [
            {"id": 3, "area": 0.25, "box": [0, 12, 640, 300], "confidence": 0.875, "name": "road"},
            {"id": 7, "area": 0.5, "box": [1, 2, 3, 4], "confidence": None},
        ],
    }


def test_names_of_any_kind_stay_valid_text_on_one_line(tmp_path: Path) -> None:
    names = ["Straße\u2028.jpg", "a\nb.jpg", "caf\udce9.jpg", '"<b>.jpg']
    path = write_records(tmp_path / "s.jsonl", [Record.failed(name, name) for name in names])
    wanted = ["Straße%E2%80%A8.jpg", "a%0Ab.jpg", "caf%E9.jpg", '"<b>.jpg']
    assert [record.path for record in read_records(path)] == wanted
    assert path.read_bytes().decode("utf-8").count("\n") == 4


def test_a_confidence_that_is_no_number_is_null(tmp_path: Path) -> None:
    record = Record("a", size=(1, 1), segments=(Segment(0, 1.0, (0, 0, 1, 1), float("nan")),))
    path = write_records(tmp_path / "s.jsonl", [record])
    assert read_records(path)[0].segments[0].confidence is None


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    record = Record("a", size=(1, 1), segments=(Segment(0, 1.0, (0, 0, 1, 1), 1.5),))
    with pytest.raises(DataError, match=r"the record of a: .*confidence 1\.5"):
        write_records(tmp_path / "s.jsonl", [FOUND, record])
    assert not (tmp_path / "s.jsonl").exists()


def line(**changes: Any) -> str:
    data = {"path": "a", "status": "ok", "size": [4, 4], "concepts": []} | changes
    return json.dumps({key: value for key, value in data.items() if value != "drop"})


def segment(**changes: Any) -> str:
    return line(concepts=[{"id": 1, "area": 0.5, "box": [0, 0, 1, 1], "confidence": 1} | changes])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("not json", "not JSON"),
        ("[]", "not as acseg writes it"),
        (line(path="drop"), "'path' is missing"),
        (line(path=3), "3 is no text"),
        (line(status="fine"), "expected 'ok' or 'failed'"),
        (line(size=None), "size is missing"),
        (segment(id=255), "id 255 is no label"),
        (segment(id=True), "id True is no label"),
        (segment(area=1.5), "area 1.5 does not lie in 0..1"),
        (segment(area="x"), "area 'x'"),
        (segment(box=[0, 0, 0, 1]), "is no left, top, width, height"),
        (segment(box=[0, 0, 1]), "not enough values"),
        (segment(confidence=-1), "confidence -1"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "segments.jsonl"
    path.write_text(line() + "\n\n" + text + "\n")
    with pytest.raises(DataError, match=r"segments\.jsonl line 3: .*") as caught:
        read_records(path)
    assert fault in str(caught.value)


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file; is its folder the output of acseg"):
        read_records(tmp_path / "segments.jsonl")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="cannot be read"):
        read_classes(tmp_path / "binary")


def test_classes_come_back(tmp_path: Path) -> None:
    path = write_classes(tmp_path / "classes.json", CLASSES)
    assert read_classes(path) == CLASSES
    assert json.loads(path.read_text())["classes"][1] == {
        "id": 3,
        "name": "road",
        "colour": [0, 114, 178],
        "share": 0.25,
        "confidence": 0.5,
        "exemplars": [{"path": "sub/a.jpg", "box": [0, 12, 64, 30]}],
    }


def test_classes_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    path.write_text('{"classes": [{"id": 1, "colour": "#0072b2"}]}')
    assert read_classes(path) == [ClassRecord(1, None, (0, 114, 178))]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"format": 99, "classes": []}', "newer"),
        ('{"classes": [{"id": 1, "colour": "#12"}]}', "not enough values"),
        ('{"classes": [{"id": 1, "colour": [0, 0, 256]}]}', "0..255"),
        ("{}", "'classes' is missing"),
    ],
)
def test_faults_of_classes(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "classes.json").write_text(text)
    with pytest.raises(DataError, match=fault):
        read_classes(tmp_path / "classes.json")


@pytest.mark.parametrize("path", ["", ".", "/", "/etc/passwd", "..", "a/../../b", 3])
def test_the_name_of_a_picture_lies_below_some_folder(tmp_path: Path, path: object) -> None:
    line = {"path": path, "status": "ok", "error": None, "size": [4, 3], "concepts": []}
    (tmp_path / "s.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(DataError, match=r"s\.jsonl line 1: not as acseg writes it: "):
        read_records(tmp_path / "s.jsonl")


def test_a_tree_and_the_area_of_a_pixel_are_kept_as_they_are(tmp_path: Path) -> None:
    tree = {"merges": [[0, 1, 0.75]], "note": None}
    given = [Record("a.jpg", size=(4, 3), tree=tree, pixel_area=0.25), Record("b.jpg", size=(4, 3))]
    path = write_records(tmp_path / "s.jsonl", given)
    assert read_records(path) == given
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert (lines[0]["tree"], lines[0]["pixel_area"]) == (tree, 0.25)
    assert "tree" not in lines[1]


def test_records_behind_a_link_are_not_read(tmp_path: Path) -> None:
    path = write_records(tmp_path / "other.jsonl", [Record("a.jpg", size=(4, 3))])
    (tmp_path / "s.jsonl").symlink_to(path)
    with pytest.raises(DataError, match="symbolic link"):
        read_records(tmp_path / "s.jsonl")
