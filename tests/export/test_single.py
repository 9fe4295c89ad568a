import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from acseg.errors import DataError
from acseg.model.segmentation import Segmentation

MAPS = arrays(
    np.uint8,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.sampled_from([0, 1, 7, 254, 255]),
)


def made(labels: np.ndarray, kind: Any = "classes", **more: Any) -> Segmentation:
    return Segmentation(labels, np.zeros((*labels.shape, 3), np.uint8), kind, **more)


@pytest.fixture
def found() -> Segmentation:
    labels = np.full((12, 20), 2)
    labels[2:5, 4:8] = labels[8:10, 15:18] = 5
    labels[11] = 255
    return made(labels, confidence={5: 0.25}, names={5: "cat"})


def masks_of(coco: dict[str, Any], path: Path) -> list[tuple[int, np.ndarray]]:
    """Read with pycocotools: category and mask of each annotation."""
    from pycocotools.coco import COCO

    path.write_text(json.dumps(coco))
    read = COCO(path)
    items = read.loadAnns(read.getAnnIds(imgIds=[coco["images"][0]["id"]]))
    return [(item["category_id"], read.annToMask(item) == 1) for item in items]


@pytest.mark.parametrize("polygons", [False, True])
@pytest.mark.parametrize("instances", ["classes", "components"])
def test_pycocotools_reads_the_same_pixels(
    found: Segmentation, tmp_path: Path, polygons: bool, instances: Any
) -> None:
    coco = found.to_coco(file_name="a.jpg", image_id=7, polygons=polygons, instances=instances)
    masks = masks_of(coco, tmp_path / "coco.json")
    assert [category for category, _ in masks] == ([3, 6] if instances == "classes" else [3, 6, 6])
    together = np.full(found.labels.shape, 255)
    for category, mask in masks:
        together[mask] = category - 1
    np.testing.assert_array_equal(together, found.labels)
    assert coco["images"] == [{"id": 7, "file_name": "a.jpg", "width": 20, "height": 12}]
    assert [item["id"] for item in coco["annotations"]] == list(range(1, len(masks) + 1))
    assert {item["name"] for item in coco["categories"]} == {"class-2", "cat"}
    assert [a.get("score") for a in coco["annotations"]][:2] == [None, 0.25]


def test_concepts_are_of_one_category(found: Segmentation) -> None:
    coco = made(found.labels, "concepts").to_coco()
    assert {item["category_id"] for item in coco["annotations"]} == {1}
    assert [item["attributes"]["concept"] for item in coco["annotations"]] == [2, 5]


def test_void_alone_gives_nothing() -> None:
    empty = made(np.full((9, 9), 255))
    assert empty.to_coco()["annotations"] == []
    assert empty.polygons() == {}
    assert len(empty.to_supervision()) == 0


@settings(deadline=None, max_examples=60)
@given(MAPS)
def test_polygons_hold_exactly_their_pixels(labels: np.ndarray) -> None:
    drawn = made(labels).polygons()
    assert sorted(drawn) == sorted(set(labels.ravel().tolist()) - {255})
    again = np.full(labels.shape, 255)
    for label, lines in drawn.items():
        for corners in lines:
            assert corners.shape[1:] == (2,)
            big = Image.new("1", (labels.shape[1] * 4, labels.shape[0] * 4))
            ImageDraw.Draw(big).polygon([tuple(4 * c) for c in corners], fill=1)
            again[np.asarray(big)[2::4, 2::4]] = label  # the middle of each pixel
    np.testing.assert_array_equal(again, labels)


def test_a_tolerance_leaves_corners_out() -> None:
    y, x = np.mgrid[:60, :60]
    disc = made(np.where((y - 30) ** 2 + (x - 30) ** 2 < 500, 1, 255))
    exact, smooth = disc.polygons()[1][0], disc.polygons(tolerance=1.5)[1][0]
    assert len(smooth) < len(exact) / 2
    with pytest.raises(DataError, match="tolerance must be 0 or more"):
        disc.polygons(tolerance=-1)


@settings(deadline=None, max_examples=30)
@given(MAPS)
def test_detections_hold_masks_boxes_and_names(labels: np.ndarray) -> None:
    found = made(labels, confidence={1: 0.5}, names={7: "cat"})
    seen = found.to_supervision()
    assert seen.class_id.tolist() == [s.id for s in found.segments]
    for n, segment in enumerate(found.segments):
        np.testing.assert_array_equal(seen.mask[n], labels == segment.id)
        left, top, width, height = segment.box
        assert seen.xyxy[n].tolist() == [left, top, left + width, top + height]
    wanted = [0.5 if s.id == 1 else np.nan for s in found.segments]
    np.testing.assert_array_equal(seen.confidence, np.array(wanted, np.float32))
    names = {0: "class-0", 1: "class-1", 7: "cat", 254: "class-254"}
    assert seen.data["class_name"].tolist() == [names[s.id] for s in found.segments]


def test_supervision_draws_the_detections(found: Segmentation) -> None:
    import supervision

    parts = found.to_supervision(instances="components")
    assert parts.class_id.tolist() == [2, 5, 5]
    scene = np.zeros((12, 20, 3), np.uint8)
    drawn = supervision.MaskAnnotator(opacity=1).annotate(scene, parts)
    assert (drawn[found.labels != 255].sum(1) > 0).all()
    assert (drawn[found.labels == 255] == 0).all()


@pytest.mark.parametrize(
    ("package", "words"),
    [("supervision", "pip install supervision"), ("pycocotools", "acseg.export")],
)
def test_a_missing_package_is_named(
    found: Segmentation, monkeypatch: pytest.MonkeyPatch, package: str, words: str
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=words):
        found.to_supervision() if package == "supervision" else found.to_coco()
