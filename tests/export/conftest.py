"""An OUT made by hand, and for each format a reader of its own that knows nothing of acseg."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from acseg.output.label_png import write_labels
from acseg.output.names import label_name
from acseg.output.records import ClassRecord, Record, write_classes, write_records
from acseg.output.segments import find_segments

ALL = ["coco", "coco-panoptic", "voc", "label-studio", "index", "colour", "geotiff"]
MakeOut = Callable[..., Path]
ReadBack = Callable[[str, Path], dict[str, np.ndarray]]


@pytest.fixture(params=ALL)
def name_of_format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def make_out() -> MakeOut:
    """Write label maps, records, photographs and classes as `segment` and `predict` do."""

    def make(
        root: Path,
        maps: Mapping[str, np.ndarray],
        *,
        kind: Any = "classes",
        classes: Sequence[ClassRecord] | None = None,
        failed: Mapping[str, str] | None = None,
    ) -> Path:
        out = root / "out"
        places = label_name([*maps, *(failed or {})])
        records = []
        for path, labels in maps.items():
            place = f"labels/{places[path]}"
            write_labels(out / place, labels)
            photograph = root / "photos" / path
            photograph.parent.mkdir(parents=True, exist_ok=True)
            colours = np.stack([labels, labels // 2, 255 - labels], axis=-1).astype(np.uint8)
            Image.fromarray(colours).save(photograph)
            sure = {label: round(0.5 + label / 600, 4) for label in range(255)}
            height, width = labels.shape
            records.append(
                Record(
                    path,
                    size=(width, height),
                    labels=place,
                    source=f"../photos/{path}",
                    kind=kind,
                    segments=find_segments(labels, sure),
                )
            )
        records += [Record.failed(path, why, kind=kind) for path, why in (failed or {}).items()]
        write_records(out / "segments.jsonl", records)
        if classes is not None:
            write_classes(out / "classes.json", classes)
        return out

    return make


@pytest.fixture(scope="session")
def maps() -> dict[str, np.ndarray]:
    """Label maps with holes, parts, void, one label, nothing at all, and names of all kinds."""
    random = np.random.default_rng(4)
    ring = np.zeros((40, 30), np.uint8)
    ring[5:30, 5:25], ring[10:20, 10:20], ring[12:14, 12:14] = 3, 0, 255
    parts = np.full((24, 37), 7, np.uint8)
    parts[::6, ::6] = 12
    return {
        "a.jpg": ring,
        "a.png": np.ascontiguousarray(ring.T),
        "sub folder/Gräser & Büsche.tif": parts,
        "sub folder/deep/one.png": np.full((9, 8), 3, np.uint8),
        "sub folder/deep/void.png": np.full((8, 11), 255, np.uint8),
        "noise.png": random.choice(np.array([0, 3, 7, 255], np.uint8), (33, 21)),
    }


@pytest.fixture(scope="session")
def read_back() -> ReadBack:
    """Read an export as another tool would: label maps by the relative names of photographs."""

    def read(name: str, target: Path) -> dict[str, np.ndarray]:
        return READERS[name](target)

    return read


def label_of(annotation: dict[str, Any], kinds: dict[int, str]) -> int:
    if list(kinds.values()) == ["concept"]:
        return int(annotation["attributes"]["concept"])
    return int(annotation["category_id"]) - 1


def read_coco(target: Path) -> dict[str, np.ndarray]:
    from pycocotools.coco import COCO

    coco = COCO(target if target.suffix else target / "annotations" / "instances_default.json")
    kinds = {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())}
    found = {}
    for image in coco.loadImgs(coco.getImgIds()):
        labels = np.full((image["height"], image["width"]), 255)
        for annotation in coco.loadAnns(coco.getAnnIds([image["id"]])):
            mask = coco.annToMask(annotation).astype(bool)
            assert (labels[mask] == 255).all()  # no two overlap
            assert annotation["iscrowd"] == 0
            assert annotation["area"] == mask.sum()
            assert annotation["bbox"] == box_of(mask)
            labels[mask] = label_of(annotation, kinds)
        found[image["file_name"]] = labels
    ids = [annotation["id"] for annotation in coco.dataset["annotations"]]
    assert ids == list(range(1, len(ids) + 1))
    return found


def read_panoptic(target: Path) -> dict[str, np.ndarray]:
    """Read by the rules that the panoptic API checks."""
    path = target if target.suffix else target / "annotations" / "panoptic_default.json"
    data = json.loads(path.read_text())
    kinds = {c["id"]: c for c in data["categories"]}
    assert all(c["isthing"] in (0, 1) for c in kinds.values())
    images = {image["id"]: image for image in data["images"]}
    assert [a["image_id"] for a in data["annotations"]] == list(images)
    found = {}
    for annotation in data["annotations"]:
        image = images[annotation["image_id"]]
        with Image.open(path.with_suffix("") / annotation["file_name"]) as picture:
            assert picture.mode == "RGB"
            assert picture.size == (image["width"], image["height"])
            red, green, blue = np.moveaxis(np.array(picture, dtype=np.int64), -1, 0)
        ids = red + 256 * green + 256 * 256 * blue
        labels = np.full(ids.shape, 255)
        segments = annotation["segments_info"]
        assert len({s["id"] for s in segments}) == len(segments)
        assert {s["id"] for s in segments} == set(np.unique(ids).tolist()) - {0}
        stuff = [s["category_id"] for s in segments if not kinds[s["category_id"]]["isthing"]]
        assert len(set(stuff)) == len(stuff)  # stuff has one segment a picture
        for segment in segments:
            mask = ids == segment["id"]
            assert segment["area"] == mask.sum()
            assert segment["bbox"] == box_of(mask)
            assert segment["iscrowd"] == 0
            labels[mask] = label_of(segment, {n: kind["name"] for n, kind in kinds.items()})
        found[image["file_name"]] = labels
    return found


def read_voc(target: Path) -> dict[str, np.ndarray]:
    """Read as by index and as by colour; both must say the same."""
    lines = (target / "labelmap.txt").read_text("utf-8").splitlines()
    rows = [line.split(":") for line in lines if not line.startswith("#")]
    assert all(len(row) == 4 for row in rows)
    assert len({name for name, *_ in rows}) == len(rows)
    colours = {tuple(map(int, colour.split(","))): n for n, (_, colour, *_) in enumerate(rows)}
    assert len(colours) == len(rows)
    ignored = next(n for n, row in enumerate(rows) if row[0] == "ignored")
    names = (target / "ImageSets" / "Segmentation" / "default.txt").read_text("utf-8").splitlines()
    found = {}
    for name in names:
        with Image.open(target / "SegmentationClass" / f"{name}.png") as picture:
            assert picture.mode == "P"
            labels = np.array(picture).astype(int)
            seen = np.array(picture.convert("RGB")).reshape(-1, 3).tolist()
        by_colour = np.array([colours[tuple(c)] for c in seen]).reshape(labels.shape)
        assert np.array_equal(np.where(by_colour == ignored, 255, by_colour), labels)
        with Image.open(target / "SegmentationObject" / f"{name}.png") as picture:
            objects = np.array(picture)
        assert np.array_equal(objects == 0, labels == 255)
        for number in np.unique(objects[objects > 0]):
            assert len(np.unique(labels[objects == number])) == 1
        found[name] = labels
    return found


def decode_brush(data: list[int], shape: tuple[int, int]) -> np.ndarray:
    """Decode Label Studio's run lengths bit by bit, from the description of rle-pack."""
    bits = "".join(f"{byte:08b}" for byte in data)
    place = 0

    def read(width: int) -> int:
        nonlocal place
        place += width
        return int(bits[place - width : place], 2)

    total, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        repeated = read(1)
        count = read(sizes[read(2)]) + 1
        values += [read(word)] * count if repeated else [read(word) for _ in range(count)]
    assert len(values) == total
    assert len(bits) - place < 8
    channels = np.array(values).reshape(*shape, 4)
    assert (channels == channels[..., :1]).all()
    assert set(np.unique(channels)) <= {0, 255}
    return channels[..., 3] > 0


def read_label_studio(target: Path) -> dict[str, np.ndarray]:
    from xml.etree import ElementTree

    alone = bool(target.suffix)
    view = ElementTree.parse(target.with_suffix(".xml") if alone else target / "interface.xml")
    brush = view.find("BrushLabels")
    assert brush is not None
    names = [label.get("value") for label in brush]
    assert len(set(names)) == len(names)
    found = {}
    for task in json.loads((target if alone else target / "tasks.json").read_text()):
        (prediction,) = task["predictions"]
        path = unquote(task["data"]["image"].split("?d=")[1])
        labels = None
        for result in prediction["result"]:
            assert result["type"] == "brushlabels"
            assert (result["from_name"], result["to_name"]) == (brush.get("name"), "image")
            assert brush.get("toName") == "image"
            shape = result["original_height"], result["original_width"]
            labels = np.full(shape, 255) if labels is None else labels
            mask = decode_brush(result["value"]["rle"], shape)
            (name,) = result["value"]["brushlabels"]
            assert name in names
            assert (labels[mask] == 255).all()
            labels[mask] = label_by_name(name)
        found[path] = np.full((1, 1), 255) if labels is None else labels
    return found


def label_by_name(name: str) -> int:
    return {"background": 0, "road": 3}[name] if "-" not in name else int(name.rsplit("-", 1)[1])


def read_index(target: Path) -> dict[str, np.ndarray]:
    found = {}
    for path in sorted(target.rglob("*.png")):
        with Image.open(path) as picture:
            assert picture.mode == "L"
            found[path.relative_to(target).with_suffix("").as_posix()] = np.array(picture)
    return found


def read_colour(target: Path) -> dict[str, np.ndarray]:
    classes = json.loads((target / "classes.json").read_text("utf-8"))["classes"]
    labels = {tuple(item["colour"]): item["id"] for item in classes} | {(0, 0, 0): 255}
    assert len(labels) == len(classes) + 1
    found = {}
    for path in sorted(target.rglob("*.png")):
        with Image.open(path) as picture:
            assert picture.mode == "RGB"
            pixels = np.array(picture)
        flat = [labels[tuple(colour)] for colour in pixels.reshape(-1, 3).tolist()]
        name = path.relative_to(target).with_suffix("").as_posix()
        found[name] = np.array(flat).reshape(pixels.shape[:2])
    return found


def read_geotiff(target: Path) -> dict[str, np.ndarray]:
    found = {}
    for path in sorted(target.rglob("*.tif")):
        with Image.open(path) as picture:
            assert picture.mode == "P"
            assert picture.tag_v2[42113] == "255"  # type: ignore[attr-defined]
            found[path.relative_to(target).with_suffix("").as_posix()] = np.array(picture)
    return found


def box_of(mask: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(mask)
    left, top = int(columns.min()), int(rows.min())
    return [left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1]


READERS: dict[str, Callable[[Path], dict[str, np.ndarray]]] = {
    "coco": read_coco,
    "coco-panoptic": read_panoptic,
    "voc": read_voc,
    "label-studio": read_label_studio,
    "index": read_index,
    "colour": read_colour,
    "geotiff": read_geotiff,
}
