import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acseg import ACSeg, cli
from acseg.collection import run_collection
from acseg.errors import ImageError
from acseg.images.bands import Reading
from acseg.images.open_windows import open_windows
from acseg.images.windows import ArrayWindows
from acseg.model.large import find_concepts, layout_for, segment_large
from acseg.output.label_png import read_labels
from acseg.output.records import read_classes, read_records

Photograph = Callable[..., np.ndarray]


@pytest.fixture
def model(tiny_run: Path) -> ACSeg:
    return ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32", tile=40)


def classes_of(model: ACSeg) -> dict[str, Any]:
    """What makes `segment_large` draw the classes of a model."""
    background = model.foreground_ != "none"
    return {"classify": model.classify, "background": background, "names": model.names_}


@pytest.mark.parametrize("size", [(130, 170), (41, 300), (300, 40), (100, 90)])
@pytest.mark.parametrize("kind", ["concepts", "classes"])
def test_the_label_map_has_the_size_of_the_picture_and_says_what_was_measured(
    model: ACSeg, photograph: Photograph, tmp_path: Path, size: tuple[int, int], kind: str
) -> None:
    image = photograph(3, size)
    more = classes_of(model) if kind == "classes" else {}
    drawn = segment_large(model.pipeline, ArrayWindows(image), tmp_path / "a.png", **more)
    labels = read_labels(tmp_path / "a.png")
    assert labels.shape == size
    assert drawn.size == (size[1], size[0])
    assert [s.id for s in drawn.segments] == np.unique(labels).tolist()
    for segment in drawn.segments:
        own = labels == segment.id
        assert segment.area == pytest.approx(own.mean())
        left, top, width, height = segment.box
        assert own[top : top + height, left : left + width].sum() == own.sum()
        background = kind == "classes" and segment.id == 0
        assert (segment.confidence is None) == background
    if kind == "concepts":
        assert [s.id for s in drawn.segments] == list(range(len(drawn.segments)))
    else:
        assert {s.id for s in drawn.segments} <= set(model.class_ids)
    np.testing.assert_array_equal(drawn.image, image)
    np.testing.assert_array_equal(drawn.labels, labels)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_the_same_call_gives_the_same_bytes(
    model: ACSeg, photograph: Photograph, tmp_path: Path
) -> None:
    image = photograph(3, (150, 110))
    for name in ("a.png", "b.png"):
        segment_large(model.pipeline, ArrayWindows(image), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_picture_of_one_tile_has_the_concepts_that_it_has_as_a_whole(
    model: ACSeg, photograph: Photograph, tmp_path: Path
) -> None:
    """With one tile there is nothing to blend: the labels are those of the usual way."""
    model.set_params(edges=False)
    image = photograph(2, (40, 40))
    segment_large(model.pipeline, ArrayWindows(image), tmp_path / "a.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), model.segment(image).labels)
    more = classes_of(model)
    segment_large(model.pipeline, ArrayWindows(image), tmp_path / "a.png", **more)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), model.predict(image).labels)


@pytest.mark.parametrize("granularity", [0.0, 0.5, 1.0])
def test_granularity_holds_for_tiles(
    tiny_backbone: Path, photograph: Photograph, tmp_path: Path, granularity: float
) -> None:
    model = ACSeg(str(tiny_backbone), side=40, tile=40, device="cpu", granularity=granularity)
    drawn = segment_large(
        model.pipeline, ArrayWindows(photograph(3, (130, 170))), tmp_path / "a.png"
    )
    assert drawn.tree is not None
    leaves = len(drawn.tree["sizes"])
    assert len(drawn.segments) == 1 if granularity == 0 else len(drawn.segments) <= leaves
    assert [s.id for s in drawn.segments] == list(range(len(drawn.segments)))


def test_one_set_of_concepts_serves_the_whole_picture(
    model: ACSeg, photograph: Photograph, tmp_path: Path
) -> None:
    """A picture that repeats itself gets the same labels wherever it does."""
    image = np.tile(photograph(1, (80, 80)), (3, 3, 1))
    segment_large(model.pipeline, ArrayWindows(image), tmp_path / "a.png")
    labels = read_labels(tmp_path / "a.png")
    inner = labels[80:160, 80:160]
    agree = [
        (labels[a : a + 80, b : b + 80] == inner)[20:60, 20:60].mean()
        for a in (0, 80, 160)
        for b in (0, 80, 160)
    ]
    assert np.mean(agree) > 0.8


def test_the_concepts_come_from_a_bounded_sample(
    model: ACSeg, photograph: Photograph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acseg.model.large.SAMPLE_TILES", 5)
    monkeypatch.setattr("acseg.model.large.SAMPLE_TOKENS", 60)
    windows = ArrayWindows(photograph(0, (400, 400)))
    read = []
    monkeypatch.setattr(windows, "read", lambda *box: read.append(box) or windows._image[:40, :40])
    found = find_concepts(model.pipeline, windows, layout_for(model.pipeline, windows))
    assert len(found.division.leaves) == 60
    assert len(read) == 5


def test_a_collection_tiles_what_is_large_and_no_other(
    model: ACSeg, photograph: Photograph, tmp_path: Path
) -> None:
    tifffile = pytest.importorskip("tifffile")
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(photograph(1, (40, 36))).save(folder / "a.png")
    tifffile.imwrite(folder / "b.tif", photograph(2, (130, 170)), tile=(32, 32), photometric="rgb")
    tifffile.imwrite(folder / "c.tif", photograph(2, (130, 170)), tile=(32, 32), photometric="rgb",
                     compression="deflate")  # fmt: skip
    (folder / "c.tif").write_bytes((folder / "c.tif").read_bytes()[:-5000])
    outcome = run_collection(model, [folder], tmp_path / "out", kind="classes")
    assert outcome.written == 2
    assert [path for path, _ in outcome.failed] == ["c.tif"]
    records = {r.path: r for r in read_records(tmp_path / "out" / "segments.jsonl")}
    assert records["b.tif"].size == (170, 130)
    assert read_labels(tmp_path / "out" / "labels" / "b.png").shape == (130, 170)
    with Image.open(tmp_path / "out" / "overlays" / "b.jpg") as overlay:
        assert overlay.size == (170, 130)
    np.testing.assert_array_equal(
        read_labels(tmp_path / "out" / "labels" / "a.png"), model.predict(folder / "a.png").labels
    )
    shares = sum(c.share for c in read_classes(tmp_path / "out" / "classes.json"))
    assert shares == pytest.approx(1, abs=1e-5)
    assert "b.tif" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_a_picture_beyond_the_limit_is_segmented_and_reported(
    tiny_run: Path,
    photograph: Photograph,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    tifffile = pytest.importorskip("tifffile")
    image = photograph(2, (1200, 1800))
    tifffile.imwrite(tmp_path / "a.tif", image, tile=(64, 64), photometric="rgb")
    monkeypatch.setattr("acseg.images.faults.MAX_PIXELS", 1_500_000)
    given = ["segment", str(tmp_path / "a.tif"), "--model", str(tiny_run), "--device", "cpu"]
    capfd.readouterr()
    with pytest.raises(SystemExit) as left:
        cli.main([*given, "-o", str(tmp_path / "whole")])
    assert left.value.code == 1
    assert "pass --tile auto" in capfd.readouterr().err
    with pytest.raises(SystemExit) as left:
        cli.main([*given, "-o", str(tmp_path / "tiled"), "--tile", "320"])
    assert not left.value.code
    assert capfd.readouterr().err == ""
    page = (tmp_path / "tiled" / "index.html").read_text(encoding="utf-8")
    assert "not shown here" not in page


def test_bands_and_stretch_of_the_fit_are_those_of_predict(
    tiny_backbone: Path, tmp_path: Path, photograph: Photograph, capfd: pytest.CaptureFixture[str]
) -> None:
    tifffile = pytest.importorskip("tifffile")
    (tmp_path / "in").mkdir()
    for n in range(4):
        bands = np.concatenate([photograph(n + b, (90, 80)) for b in range(2)], axis=2)
        tifffile.imwrite(
            tmp_path / "in" / f"{n}.tif", bands.astype(np.uint16) * 11, photometric="minisblack",
            planarconfig="contig",
        )  # fmt: skip
    with pytest.raises(SystemExit) as left:
        cli.main(
            ["fit", str(tmp_path / "in"), "-o", str(tmp_path / "run"), "--device", "cpu"]
            + ["--backbone", str(tiny_backbone), "--set", "side=40", "--granularity", "0.9"]
            + ["--classes", "2", "--bands", "6,1,4", "--stretch", "2,98", "--tile", "48"]
        )
    assert not left.value.code
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["settings"]
    settings = settings["encoding"]
    assert (settings["bands"], settings["stretch"], settings["tile"]) == ([6, 1, 4], [2, 98], 48)
    model = ACSeg.from_pretrained(tmp_path / "run", device="cpu")
    assert model.settings.encoding.reading == Reading((6, 1, 4), (2, 98))
    outcome = run_collection(model, [tmp_path / "in"], tmp_path / "out", kind="classes")
    assert (outcome.written, outcome.failed) == (4, [])
    drawn = read_labels(tmp_path / "out" / "labels" / "0.png")
    windows = open_windows(tmp_path / "in" / "0.tif", reading=model.settings.encoding.reading)
    segment_large(model.pipeline, windows, tmp_path / "again.png", **classes_of(model))
    np.testing.assert_array_equal(drawn, read_labels(tmp_path / "again.png"))
    with pytest.raises(ImageError, match="has 3 bands, so there is no band 6"):
        model.predict(photograph(0, (40, 40)))
    capfd.readouterr()


def test_tiles_leave_no_seam_on_real_photographs(shared: Path, tmp_path: Path) -> None:
    """Labels change no more often across a tile's border than at the lines beside it."""
    from acseg.images.read import read_image

    how = {"device": "cpu", "precision": "float32", "tile": 160, "granularity": 0.5}
    model = ACSeg.from_pretrained("bundled", **how)
    at, beside = [], []
    folder = shared / "labelled" / "camvid" / "images"
    for path in sorted(folder.iterdir())[::90][:2]:
        image = read_image(path)
        windows = ArrayWindows(image)
        segment_large(model.pipeline, windows, tmp_path / "a.png")
        labels = read_labels(tmp_path / "a.png")
        changes = (labels[:, 1:] != labels[:, :-1]).mean(0)  # of each line between two columns
        edges = set()
        for tile in layout_for(model.pipeline, windows).tiles():
            _, left, _, width = tile.window
            edges |= {left, left + width} - {0, image.shape[1]}
        for edge in edges:
            at.append(changes[edge - 2 : edge + 1].mean())
            beside.append(changes[max(0, edge - 25) : edge + 25].mean())
    assert np.mean(at) <= 1.25 * np.mean(beside)
