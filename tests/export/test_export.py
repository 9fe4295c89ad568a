"""What holds for every format."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from acseg.errors import DataError
from acseg.export.export import FORMATS, export_results
from acseg.export.format import Options
from acseg.output.names import label_name
from acseg.output.records import ClassRecord, read_records, write_records

pytest.importorskip("pycocotools")
pytest.importorskip("tifffile")

Maps = dict[str, np.ndarray]
MakeOut = Callable[..., Path]
ReadBack = Callable[[str, Path], Maps]

CLASSES = [
    ClassRecord(0, "background", (10, 20, 30)),
    ClassRecord(3, "road", (0, 114, 178)),
    ClassRecord(7, None, (240, 228, 66)),
    ClassRecord(200, None, (1, 2, 3)),
]
BY_PATH = ("coco", "coco-panoptic", "label-studio")  # these name the photograph, not the label map


def files_of(folder: Path) -> dict[str, bytes]:
    found = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def expected(maps: Maps, name: str) -> Maps:
    if name in BY_PATH:
        return maps
    return {place.removesuffix(".png"): maps[path] for path, place in label_name(maps).items()}


def check(found: Maps, maps: Maps, name: str) -> None:
    wanted = expected(maps, name)
    assert set(found) == set(wanted)
    for path, labels in wanted.items():
        if name == "label-studio" and (labels == 255).all():
            assert (found[path] == 255).all()
        else:
            assert np.array_equal(found[path], labels), path


@pytest.mark.parametrize("kind", ["classes", "concepts"])
@pytest.mark.parametrize("listed", [True, False])
def test_every_format_gives_the_same_pixels_back(
    name_of_format: str, kind: Any, listed: bool, maps: Maps, tmp_path: Path,
    make_out: MakeOut, read_back: ReadBack,
) -> None:  # fmt: skip
    classes = CLASSES if listed else None
    out = make_out(tmp_path, maps, kind=kind, classes=classes)
    before = files_of(tmp_path)
    done = export_results(out, tmp_path / "to", format=name_of_format)
    assert (done.written, done.failed, done.left_out) == (len(maps), [], [])
    check(read_back(name_of_format, tmp_path / "to"), maps, name_of_format)
    after = files_of(tmp_path)
    assert {path: after[path] for path in before} == before
    assert not [path for path in after if path.endswith(".part")]


@pytest.mark.parametrize("name", ["coco", "coco-panoptic", "voc", "label-studio"])
@pytest.mark.parametrize("kind", ["classes", "concepts"])
def test_components_give_the_same_pixels_back(
    name: str, kind: Any, maps: Maps, tmp_path: Path, make_out: MakeOut, read_back: ReadBack
) -> None:
    out = make_out(tmp_path, maps, kind=kind, classes=CLASSES)
    export_results(out, tmp_path / "to", format=name, options=Options(instances="components"))
    check(read_back(name, tmp_path / "to"), maps, name)


LABELS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=8, max_side=12),
    elements=st.sampled_from([0, 1, 3, 77, 253, 254, 255]),
)


@settings(max_examples=12, deadline=None)
@given(
    labels=st.lists(LABELS, min_size=1, max_size=3), kind=st.sampled_from(["classes", "concepts"])
)
@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("csv", "xlsx")])
def test_any_label_map_comes_back(
    name: str, labels: list[np.ndarray], kind: str, tmp_path_factory: pytest.TempPathFactory,
    make_out: MakeOut, read_back: ReadBack,
) -> None:  # fmt: skip
    maps = {f"{n}.png": values for n, values in enumerate(labels)}
    root = tmp_path_factory.mktemp("any")
    out = make_out(root, maps, kind=kind)
    export_results(out, root / "to", format=name)
    check(read_back(name, root / "to"), maps, name)


def test_the_same_out_gives_the_same_bytes(
    name_of_format: str, maps: Maps, tmp_path: Path, make_out: MakeOut
) -> None:
    out = make_out(tmp_path, maps, classes=CLASSES)
    for target in ("one", "two"):
        export_results(out, tmp_path / target, format=name_of_format)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_what_cannot_be_read_is_named_and_loses_nothing_of_the_others(
    name_of_format: str, maps: Maps, tmp_path: Path, make_out: MakeOut, read_back: ReadBack
) -> None:
    out = make_out(tmp_path, maps, classes=CLASSES, failed={"z.jpg": "no picture", "ü.jpg": "x"})
    (out / "labels" / "noise.png").unlink()
    (out / "labels" / "a.jpg.png").write_bytes(b"broken")
    wrong = out / "labels" / "sub folder" / "deep" / "one.png"
    wrong.write_bytes((out / "labels" / "sub folder" / "deep" / "void.png").read_bytes())
    done = export_results(out, tmp_path / "to", format=name_of_format)
    lost = {"noise.png", "a.jpg", "sub folder/deep/one.png"}
    reasons = dict(done.failed)
    assert set(reasons) == lost
    assert "noise.png: no such file" in reasons["noise.png"]
    assert "not a label map that can be read" in reasons["a.jpg"]
    assert "11 x 8 pixels, its picture (8, 9)" in reasons["sub folder/deep/one.png"]
    assert done.left_out == [("z.jpg", "no picture"), ("ü.jpg", "x")]
    assert done.written == len(maps) - 3
    left = {label_name(maps)[path].removesuffix(".png") for path in maps if path not in lost}
    found = read_back(name_of_format, tmp_path / "to")
    assert set(found) == (set(maps) - lost if name_of_format in BY_PATH else left)


def test_a_picture_without_any_label_is_there_all_the_same(
    name_of_format: str, tmp_path: Path, make_out: MakeOut, read_back: ReadBack
) -> None:
    empty = {"void.png": np.full((8, 9), 255, np.uint8)}
    out = make_out(tmp_path, empty)
    assert export_results(out, tmp_path / "to", format=name_of_format).written == 1
    check(read_back(name_of_format, tmp_path / "to"), empty, name_of_format)


def test_nothing_is_written_over_without_being_told(
    name_of_format: str, maps: Maps, tmp_path: Path, make_out: MakeOut
) -> None:
    out = make_out(tmp_path, maps, classes=CLASSES)
    target = tmp_path / "to"
    target.mkdir()
    export_results(out, target, format=name_of_format)  # an empty folder is taken
    (target / "mine.txt").write_text("mine")
    before = files_of(target)
    with pytest.raises(DataError, match=r"is there already.*--overwrite"):
        export_results(out, target, format=name_of_format)
    assert files_of(target) == before
    export_results(out, target, format=name_of_format, overwrite=True)
    assert files_of(target) == before


@pytest.mark.parametrize("place", ["out", "out/labels", "out/labels/sub", "out/overlays", "link"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_what_is_exported_is_never_written_over(
    place: str, overwrite: bool, maps: Maps, tmp_path: Path, make_out: MakeOut
) -> None:
    out = make_out(tmp_path, maps)
    (tmp_path / "link").symlink_to(out / "labels")
    before = files_of(out)
    for name in FORMATS:
        with pytest.raises(DataError, match="belongs to what is exported"):
            export_results(out, tmp_path / place, format=name, overwrite=overwrite)
    assert files_of(out) == before


def test_a_file_inside_out_can_be_written(maps: Maps, tmp_path: Path, make_out: MakeOut) -> None:
    out = make_out(tmp_path, maps)
    export_results(out, out / "coco.json", format="coco")
    assert json.loads((out / "coco.json").read_text())["images"]


def test_photographs_are_never_written_over(maps: Maps, tmp_path: Path, make_out: MakeOut) -> None:
    out = make_out(tmp_path, maps)
    before = files_of(tmp_path / "photos")
    done = export_results(out, tmp_path / "photos", format="index", overwrite=True)
    mine = {path for path, reason in done.failed if "is the photograph itself" in reason}
    assert mine == {"noise.png", "sub folder/deep/one.png", "sub folder/deep/void.png"}
    after = files_of(tmp_path / "photos")
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize(
    ("name", "made", "target", "words"),
    [
        ("voc", "file", "to", "is a file, and this format writes a folder"),
        ("coco", "folder", "to.json", "is a folder, and a file is to be written"),
        ("coco", "file", "to.json", "is there already"),
        ("coco-panoptic", "filled", "to", "is there already"),
        ("label-studio", "file", "to.xml", "is there already"),
    ],
)
def test_targets_of_the_wrong_kind_are_refused(
    name: str, made: str, target: str, words: str, tmp_path: Path, maps: Maps, make_out: MakeOut
) -> None:
    out = make_out(tmp_path, maps)
    path = tmp_path / target
    if made == "file":
        path.write_text("x")
    else:
        path.mkdir()
        (path / "x").write_text("x")
    file = name in ("coco-panoptic", "label-studio")
    with pytest.raises(DataError, match=words):
        export_results(out, path.with_suffix(".json") if file else path, format=name)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("index", Options(instances="components"), "--instances means nothing to index"),
        ("voc", Options(polygons=True), "--polygons means nothing to voc"),
        ("geotiff", Options(images=True), "--images means nothing to geotiff"),
        ("coco", Options(image_url="x"), "--image-url means nothing to coco"),
        ("pdf", Options(), "there is no format 'pdf'; there are coco, "),
    ],
)
def test_options_of_other_formats_are_refused(
    name: str, options: Options, words: str, tmp_path: Path, maps: Maps, make_out: MakeOut
) -> None:
    out = make_out(tmp_path, maps)
    with pytest.raises(DataError, match=words):
        export_results(out, tmp_path / "to", format=name, options=options)
    assert not (tmp_path / "to").exists()


def test_what_is_no_out_is_refused(tmp_path: Path, make_out: MakeOut) -> None:
    with pytest.raises(DataError, match=r"no output folder: it has no segments\.jsonl"):
        export_results(tmp_path, tmp_path / "to", format="coco")
    out = make_out(tmp_path, {}, failed={"a.jpg": "broken"})
    with pytest.raises(DataError, match="holds no picture that was segmented"):
        export_results(out, tmp_path / "to", format="coco")
    with pytest.raises(DataError, match="gone: no such folder"):
        export_results(out, tmp_path / "to", format="coco", photos=tmp_path / "gone")


@pytest.mark.parametrize("field", ["path", "labels"])
@pytest.mark.parametrize("where", ["../evil.png", "/evil.png", "labels/../../evil.png"])
def test_names_that_lead_out_of_the_folder_are_refused(
    field: str, where: str, tmp_path: Path, maps: Maps, make_out: MakeOut
) -> None:
    out = make_out(tmp_path, maps)
    lines = (out / "segments.jsonl").read_text("utf-8").splitlines()
    lines[0] = json.dumps(json.loads(lines[0]) | {field: where})
    (out / "segments.jsonl").write_text("\n".join(lines), "utf-8")
    target = tmp_path / "deep" / "to"
    words = "no path inside the folder" if field == "labels" else "no relative name of a picture"
    with pytest.raises(DataError, match=words):  # such a line cannot have been written by acseg
        export_results(out, target, format="index")
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize(
    ("name", "package"),
    [("coco", "pycocotools"), ("geotiff", "tifffile")],
)
def test_a_missing_package_is_named_with_its_extra(
    name: str, package: str, tmp_path: Path, maps: Maps, make_out: MakeOut,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = make_out(tmp_path, maps)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError, match=r"pip install 'acseg\[export\]'"):
        export_results(out, tmp_path / "to", format=name)
    assert not list(tmp_path.rglob("*.part"))


def test_labels_without_records_of_them_are_found_by_name(
    tmp_path: Path, maps: Maps, make_out: MakeOut, read_back: ReadBack
) -> None:
    out = make_out(tmp_path, maps)
    records = read_records(out / "segments.jsonl")
    plain = [type(r)(r.path, size=r.size, kind=r.kind) for r in records]
    write_records(out / "segments.jsonl", plain)
    for name in ("colour", "coco", "label-studio"):
        export_results(out, tmp_path / name, format=name)
        check(read_back(name, tmp_path / name), maps, name)
    assert '"score"' not in (tmp_path / "coco/annotations/instances_default.json").read_text()
    assert '"score"' not in (tmp_path / "label-studio" / "tasks.json").read_text()
    done = export_results(out, tmp_path / "geotiff", format="geotiff")
    assert {reason for _, reason in done.failed} == {
        "its photograph is not where it was; say where with --photos"
    }


@pytest.mark.parametrize("name", ["coco", "label-studio"])
def test_what_is_written_is_not_kept_in_memory(
    name: str, tmp_path: Path, make_out: MakeOut
) -> None:
    """Four times the pictures with large masks take hardly more memory at once."""
    import tracemalloc

    random = np.random.default_rng(0)
    noise = random.integers(0, 4, (32, 32)).astype(np.uint8)
    peaks = []
    for count in (8, 32):
        root = tmp_path / str(count)
        out = make_out(root, {f"{n}.png": noise for n in range(count)})
        export_results(out, root / "warm", format=name)
        tracemalloc.start()
        export_results(out, root / "to", format=name)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_progress_counts_every_picture(tmp_path: Path, maps: Maps, make_out: MakeOut) -> None:
    out = make_out(tmp_path, maps)
    (out / "labels" / "noise.png").unlink()
    told: list[tuple[int, int]] = []
    export_results(
        out, tmp_path / "to", format="index", progress=lambda n, of: told.append((n, of))
    )
    assert told == [(n, len(maps)) for n in range(1, len(maps) + 1)]


@pytest.mark.parametrize("name", ["coco", "coco-panoptic", "voc", "label-studio"])
def test_an_export_that_is_stopped_lists_nothing(
    name: str, tmp_path: Path, maps: Maps, make_out: MakeOut
) -> None:
    out = make_out(tmp_path, maps)

    def stop(done: int, of: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_results(out, tmp_path / "to", format=name, progress=stop)
    left = files_of(tmp_path / "to")
    assert not [path for path in left if not path.endswith(".png")]


def test_label_maps_larger_than_pillow_opens_are_read(
    tmp_path: Path, maps: Maps, make_out: MakeOut, read_back: ReadBack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = make_out(tmp_path, {"noise.png": maps["noise.png"]})
    with monkeypatch.context() as patched:
        patched.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)
        patched.setattr("acseg.output.label_png.LARGE_LABELS", 50)
        assert export_results(out, tmp_path / "to", format="index").written == 1
    check(read_back("index", tmp_path / "to"), {"noise.png": maps["noise.png"]}, "index")
