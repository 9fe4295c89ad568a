"""What is particular to VOC, Label Studio and the plain PNGs."""

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from acseg.errors import DataError
from acseg.export.export import export_results
from acseg.export.format import Options
from acseg.export.voc import voc_colours
from acseg.output.records import ClassRecord, read_classes

MakeOut = Callable[..., Path]
Maps = dict[str, np.ndarray]
ReadBack = Callable[[str, Path], Maps]
SMALL = {"a.png": np.array([[0, 3], [5, 255]], np.uint8).repeat(6, 0).repeat(5, 1)}


def test_lines_of_the_label_map_are_the_labels(tmp_path: Path, make_out: MakeOut) -> None:
    classes = [
        ClassRecord(0, "Background", (9, 9, 9)),
        ClassRecord(3, "a:b #c", (1, 2, 3)),
        ClassRecord(4, "ignored", (4, 5, 6)),
    ]
    out = make_out(tmp_path, SMALL, classes=classes)
    export_results(out, tmp_path / "to", format="voc")
    lines = (tmp_path / "to" / "labelmap.txt").read_text().splitlines()
    assert lines[0] == "# label:color_rgb:parts:actions"
    assert [line.split(":")[0] for line in lines[1:]] == [
        "Background", "class-1", "class-2", "a_b _c", "ignored-4", "class-5", "ignored",
    ]  # fmt: skip
    assert lines[1] == "Background:0,0,0::"
    assert lines[4] == "a_b _c:1,2,3::"
    assert lines[-1] == "ignored:224,224,192::"


def test_the_colours_of_regions_are_those_of_voc(tmp_path: Path, make_out: MakeOut) -> None:
    known = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128),
             (0, 128, 128), (128, 128, 128), (64, 0, 0)]  # fmt: skip
    assert voc_colours(9).tolist() == [list(colour) for colour in known]
    assert voc_colours(256)[255].tolist() == [224, 224, 192]
    out = make_out(tmp_path, SMALL)
    export_results(out, tmp_path / "to", format="voc")
    with Image.open(tmp_path / "to" / "SegmentationObject" / "a.png") as picture:
        assert np.array(picture.convert("RGB"))[::6, ::5].tolist() == [
            [[128, 0, 0], [0, 128, 0]], [[128, 128, 0], [0, 0, 0]],
        ]  # fmt: skip


def test_more_regions_than_voc_can_number_are_refused(tmp_path: Path, make_out: MakeOut) -> None:
    dots = np.full((40, 40), 255, np.uint8)
    dots[::2, ::2] = 1  # 400
    out = make_out(tmp_path, {"dots.png": dots, **SMALL})
    options = Options(instances="components")
    done = export_results(out, tmp_path / "to", format="voc", options=options)
    assert done.written == 1
    assert "400 regions, and VOC has room for 254" in done.failed[0][1]
    assert (tmp_path / "to" / "ImageSets" / "Segmentation" / "default.txt").read_text() == "a\n"
    assert export_results(out, tmp_path / "two", format="voc").written == 2


@pytest.mark.parametrize("name", ["voc", "colour"])
def test_classes_of_the_same_colour_are_refused(
    name: str, tmp_path: Path, make_out: MakeOut
) -> None:
    same = [ClassRecord(0, "sky", (1, 2, 3)), ClassRecord(3, "sea", (1, 2, 3))]
    out = make_out(tmp_path, SMALL, classes=same)
    with pytest.raises(DataError, match=r"sea has the colour \(1, 2, 3\) of sky"):
        export_results(out, tmp_path / "to", format=name)


def test_black_is_void_in_colour(tmp_path: Path, make_out: MakeOut) -> None:
    out = make_out(tmp_path, SMALL, classes=[ClassRecord(0, "night", (0, 0, 0))])
    with pytest.raises(DataError, match=r"night has the colour .* of what belongs to nothing"):
        export_results(out, tmp_path / "to", format="colour")
    assert export_results(out, tmp_path / "index", format="index").written == 1


def test_a_colour_taken_from_the_palette_is_not_used_twice(
    tmp_path: Path, make_out: MakeOut, read_back: ReadBack
) -> None:
    borrowed = [ClassRecord(3, "road", (0, 114, 178))]  # the colour of label 0
    out = make_out(tmp_path, SMALL, classes=borrowed)
    for name in ("colour", "voc"):
        export_results(out, tmp_path / name, format=name)
        assert np.array_equal(read_back(name, tmp_path / name)["a"], SMALL["a.png"])


@pytest.mark.parametrize("name", ["index", "colour", "geotiff"])
def test_classes_json_says_what_is_what(name: str, tmp_path: Path, make_out: MakeOut) -> None:
    pytest.importorskip("tifffile")
    out = make_out(tmp_path, SMALL, classes=[ClassRecord(3, "road", (1, 2, 3))])
    export_results(out, tmp_path / "to", format=name)
    classes = read_classes(tmp_path / "to" / "classes.json")
    assert [(c.id, c.name) for c in classes] == [(0, "class-0"), (3, "road"), (5, "class-5")]
    assert classes[1].colour == (1, 2, 3)


def test_the_interface_of_label_studio_fits_the_tasks(tmp_path: Path, make_out: MakeOut) -> None:
    classes = [ClassRecord(3, 'a "b" <c> & d', (1, 2, 255))]
    maps = {"sub/ü 1+2.png": SMALL["a.png"]}
    out = make_out(tmp_path, maps, classes=classes)
    options = Options(image_url="http://pictures/")
    export_results(out, tmp_path / "ls.json", format="label-studio", options=options)
    (task,) = json.loads((tmp_path / "ls.json").read_text())
    assert task["data"]["image"] == "http://pictures/sub/%C3%BC%201%2B2.png"
    (prediction,) = task["predictions"]
    named = [result["value"]["brushlabels"] for result in prediction["result"]]
    assert named == [["class-0"], ['a "b" <c> & d'], ["class-5"]]
    assert [result["score"] for result in prediction["result"]] == [0.5, 0.505, 0.5083]
    assert prediction["score"] == pytest.approx(0.5044, abs=1e-4)
    assert len({result["id"] for result in prediction["result"]}) == 3
    labels = ElementTree.parse(tmp_path / "ls.xml").findall("BrushLabels/Label")
    assert labels[1].attrib == {"value": 'a "b" <c> & d', "background": "#0102ff"}
