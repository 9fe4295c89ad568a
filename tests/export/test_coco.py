import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acseg.errors import DataError
from acseg.export.export import export_results
from acseg.export.format import Options
from acseg.output.records import ClassRecord

pytest.importorskip("pycocotools")

MakeOut = Callable[..., Path]
Maps = dict[str, np.ndarray]
ReadBack = Callable[[str, Path], Maps]
CLASSES = [ClassRecord(3, "Straße", (0, 114, 178)), ClassRecord(9, None, (1, 2, 3))]
FORMATS = ["coco", "coco-panoptic"]


def read(target: Path) -> Any:
    (path,) = target.glob("annotations/*.json") if target.is_dir() else [target]
    return json.loads(path.read_text("ascii"))


@pytest.mark.parametrize("name", FORMATS)
def test_categories_are_the_classes_with_ids_from_one_on(
    name: str, tmp_path: Path, maps: Maps, make_out: MakeOut
) -> None:
    out = make_out(tmp_path, maps, classes=CLASSES)
    # A label that neither classes.json nor the records know.
    lines = (out / "segments.jsonl").read_text("utf-8").splitlines()
    stripped = [json.dumps(json.loads(line) | {"classes": []}) for line in lines]
    (out / "segments.jsonl").write_text("\n".join(stripped), "utf-8")
    export_results(out, tmp_path / "to", format=name)
    kinds = read(tmp_path / "to")["categories"]
    assert [(c["id"], c["name"]) for c in kinds] == [
        (1, "class-0"), (4, "Straße"), (8, "class-7"), (10, "class-9"), (13, "class-12"),
    ]  # fmt: skip
    assert kinds[1]["color"] == [0, 114, 178]


@pytest.mark.parametrize("name", FORMATS)
def test_concepts_are_of_one_category_and_say_which_they_are(
    name: str, tmp_path: Path, maps: Maps, make_out: MakeOut
) -> None:
    out = make_out(tmp_path, maps, kind="concepts")
    export_results(out, tmp_path / "to", format=name)
    data = read(tmp_path / "to")
    assert [(c["id"], c["name"]) for c in data["categories"]] == [(1, "concept")]
    items = data["annotations"]
    if name == "coco-panoptic":
        assert data["categories"][0]["isthing"] == 1  # several in a picture
        items = [segment for item in items for segment in item["segments_info"]]
    assert {item["category_id"] for item in items} == {1}
    assert {item["attributes"]["concept"] for item in items} == {0, 3, 7, 12}


def test_annotations_say_how_sure_they_are(tmp_path: Path, maps: Maps, make_out: MakeOut) -> None:
    out = make_out(tmp_path, maps, classes=CLASSES)
    export_results(out, tmp_path / "to.json", format="coco")
    scores = {a["category_id"]: a["score"] for a in read(tmp_path / "to.json")["annotations"]}
    assert scores == {label + 1: round(0.5 + label / 600, 4) for label in (0, 3, 7, 12)}


@pytest.mark.parametrize("instances", ["classes", "components"])
def test_polygons_give_the_same_pixels_back(
    instances: Any, tmp_path: Path, maps: Maps, make_out: MakeOut, read_back: ReadBack
) -> None:
    out = make_out(tmp_path, maps)
    options = Options(polygons=True, instances=instances)
    export_results(out, tmp_path / "to.json", format="coco", options=options)
    found = read_back("coco", tmp_path / "to.json")
    assert all(np.array_equal(found[path], maps[path]) for path in maps)
    items = read(tmp_path / "to.json")["annotations"]
    assert all(isinstance(item["segmentation"], list) for item in items)


def test_polygons_need_no_pycocotools(
    tmp_path: Path, maps: Maps, make_out: MakeOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pycocotools", None)
    out = make_out(tmp_path, maps)
    done = export_results(out, tmp_path / "to.json", format="coco", options=Options(polygons=True))
    assert done.written == len(maps)


def test_parts_are_annotations_of_their_own(tmp_path: Path, make_out: MakeOut) -> None:
    labels = np.zeros((10, 12), np.uint8)
    labels[2:4, 2:4] = labels[4:6, 4:6] = labels[8:, 10:] = 1  # two that meet by a corner, and one
    out = make_out(tmp_path, {"a.png": labels})
    for instances, count in (("classes", 2), ("components", 3)):
        target = tmp_path / f"{instances}.json"
        options = Options(instances=instances)  # type: ignore[arg-type]
        export_results(out, target, format="coco", options=options)
        assert len(read(target)["annotations"]) == count


def test_panoptic_into_a_file_puts_the_pngs_beside_it(
    tmp_path: Path, maps: Maps, make_out: MakeOut, read_back: ReadBack
) -> None:
    out = make_out(tmp_path, maps)
    export_results(out, tmp_path / "to" / "pan.json", format="coco-panoptic")
    assert (tmp_path / "to" / "pan" / "sub folder" / "Gräser & Büsche.png").is_file()
    found = read_back("coco-panoptic", tmp_path / "to" / "pan.json")
    assert all(np.array_equal(found[path], maps[path]) for path in maps)
    (tmp_path / "to" / "pan.json").unlink()
    with pytest.raises(DataError, match="is there already"):
        export_results(out, tmp_path / "to" / "pan.json", format="coco-panoptic")


def test_panoptic_numbers_beyond_a_byte(
    tmp_path: Path, make_out: MakeOut, read_back: ReadBack
) -> None:
    y, x = np.mgrid[:90, :90]
    labels = np.where((x % 2 == 0) & (y % 2 == 0), 4, 255).astype(np.uint8)  # 2025 parts
    out = make_out(tmp_path, {"a.png": labels})
    options = Options(instances="components")
    export_results(out, tmp_path / "to", format="coco-panoptic", options=options)
    assert np.array_equal(read_back("coco-panoptic", tmp_path / "to")["a.png"], labels)
    (item,) = read(tmp_path / "to")["annotations"]
    assert len(item["segments_info"]) == 2025


@pytest.mark.parametrize("name", [*FORMATS, "voc"])
def test_photographs_are_copied_as_they_are(
    name: str, tmp_path: Path, maps: Maps, make_out: MakeOut
) -> None:
    out = make_out(tmp_path, maps)
    (tmp_path / "photos" / "noise.png").unlink()
    done = export_results(out, tmp_path / "to", format=name, options=Options(images=True))
    assert done.failed == [
        ("noise.png", "its photograph is not where it was; say where with --photos")
    ]
    pairs = {"a.jpg": "a.jpg.jpg", "a.png": "a.png.png"} if name == "voc" else {}
    folder = tmp_path / "to" / ("JPEGImages" if name == "voc" else "images")
    for path in set(maps) - {"noise.png"}:
        copy = folder / pairs.get(path, path)
        assert copy.read_bytes() == (tmp_path / "photos" / path).read_bytes()
    if name != "voc":
        names = {image["file_name"] for image in read(tmp_path / "to")["images"]}
        assert names == set(maps) - {"noise.png"}
        assert all((folder / path).is_file() for path in names)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_photograph_that_is_to_be_turned_is_copied_upright(
    suffix: str, tmp_path: Path, make_out: MakeOut
) -> None:
    path = f"a.{suffix}"
    out = make_out(tmp_path, {path: np.zeros((16, 32), np.uint8)})
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :8] = 200
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright)))
    stored.save(tmp_path / "photos" / path, exif=exif, quality=95)
    export_results(out, tmp_path / "to", format="coco", options=Options(images=True))
    with Image.open(tmp_path / "to" / "images" / path) as picture:
        assert picture.getexif().get(0x0112, 1) == 1
        assert np.abs(np.array(picture).astype(int) - upright).max() < 8


def test_photographs_do_not_go_into_a_file(tmp_path: Path, maps: Maps, make_out: MakeOut) -> None:
    out = make_out(tmp_path, maps)
    for name in FORMATS:
        with pytest.raises(DataError, match="photographs go into a folder"):
            export_results(out, tmp_path / "to.json", format=name, options=Options(images=True))
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob(".*"))
