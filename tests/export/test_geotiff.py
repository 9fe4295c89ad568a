from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acseg.export.export import export_results
from acseg.export.geotiff import read_georeference
from acseg.images.georeference import TAGS as GEOREFERENCE

tifffile = pytest.importorskip("tifffile")

MakeOut = Callable[..., Path]
LABELS = np.tile(np.array([[0, 3, 255], [7, 7, 0]], np.uint8), (150, 100))  # 300 x 300: tiles
NO_DATA = 42113
UTM = [
    (33550, 12, 3, (0.5, 0.25, 0.0)),
    (33922, 12, 6, (0.0, 0.0, 0.0, 500000.125, 5400000.0625, 0.0)),
    (34735, 3, 16, (1, 1, 0, 3, 1024, 0, 1, 1, 1026, 34737, 12, 0, 3072, 0, 1, 32632)),
    (34737, 2, 13, "WGS 84 / UTM|"),
]
TURNED = [
    (34264, 12, 16, (1.0, 0.2, 0.0, 10.0, 0.3, -1.0, 0.0, 50.0, *[0.0] * 7, 1.0)),
    (34735, 3, 8, (1, 1, 0, 1, 1024, 0, 1, 2)),
    (34736, 12, 2, (298.257223563, 6378137.0)),
    (50844, 12, 92, tuple(float(n) / 7 for n in range(92))),
]
ONE_NUMBER = [(34736, 12, 1, 6378137.0)]


def write_source(path: Path, tags: list[tuple[Any, ...]], **settings: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = settings.pop("shape", LABELS.shape)
    picture = np.zeros((*shape, 3), np.uint8)
    extra = [(*tag, True) for tag in tags] + settings.pop("extra", [])
    tifffile.imwrite(path, picture, photometric="rgb", extratags=extra, metadata=None, **settings)


def by_pillow(path: Path) -> dict[int, Any]:
    with Image.open(path) as picture:
        return dict(picture.tag_v2)  # type: ignore[attr-defined]


@pytest.fixture
def exported(tmp_path: Path, make_out: MakeOut) -> Callable[..., tuple[Path, Any]]:
    """Export LABELS for a photograph made by `write_source`; give the folder and the outcome."""

    def run(tags: list[tuple[Any, ...]], **settings: Any) -> tuple[Path, Any]:
        out = make_out(tmp_path, {"sub/ü map.tif": LABELS})
        write_source(tmp_path / "photos" / "sub" / "ü map.tif", tags, **settings)
        return tmp_path, export_results(out, tmp_path / "to", format="geotiff")

    return run


@pytest.mark.parametrize("tags", [UTM, TURNED, ONE_NUMBER])
@pytest.mark.parametrize("settings", [{}, {"bigtiff": True}, {"byteorder": ">"}])
def test_the_tags_of_the_place_are_those_of_the_input(
    tags: list[tuple[Any, ...]], settings: dict[str, Any], exported: Callable[..., Any]
) -> None:
    folder, done = exported(tags, **settings)
    assert (done.written, done.failed, done.notes) == (1, [], [])
    path = folder / "to" / "sub" / "ü map.tif"
    before, after = by_pillow(folder / "photos" / "sub" / "ü map.tif"), by_pillow(path)
    wanted = {code for code, *_ in tags}
    assert {code for code in GEOREFERENCE if code in after} == wanted
    assert {code: after[code] for code in wanted} == {code: before[code] for code in wanted}
    assert after[NO_DATA] == "255"
    with Image.open(path) as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.array(picture), LABELS)
        colours = np.array(picture.getpalette()).reshape(-1, 3)
    assert colours[3].tolist() == [86, 180, 233]
    assert colours[255].tolist() == [0, 0, 0]


def test_gdal_sees_the_same_place(exported: Callable[..., Any]) -> None:
    rasterio = pytest.importorskip("rasterio")
    folder, _ = exported(UTM)
    with (
        rasterio.open(folder / "photos" / "sub" / "ü map.tif") as before,
        rasterio.open(folder / "to" / "sub" / "ü map.tif") as after,
    ):
        assert after.crs == before.crs
        assert after.crs.to_epsg() == 32632
        assert after.transform == before.transform
        assert after.transform.a == 0.5
        assert after.bounds == before.bounds
        assert after.nodata == 255
        assert np.array_equal(after.read(1), LABELS)


def test_pictures_without_a_place_become_plain_tiffs(exported: Callable[..., Any]) -> None:
    folder, done = exported([])
    assert done.written == 1
    assert done.notes == ["1 without georeference, as the photographs are"]
    after = by_pillow(folder / "to" / "sub" / "ü map.tif")
    assert not set(GEOREFERENCE) & set(after)


def test_a_place_that_would_be_wrong_is_not_written(exported: Callable[..., Any]) -> None:
    folder, done = exported(UTM, extra=[(274, 3, 1, 6, True)])
    assert "turned by its orientation tag" in done.failed[0][1]
    assert not list((folder / "to").rglob("*.tif"))


def test_a_picture_of_another_size_is_refused(exported: Callable[..., Any]) -> None:
    _, done = exported(UTM, shape=(20, 30))
    assert done.failed == [("sub/ü map.tif", "30 x 20 pixels, the labels 300 x 300")]


def test_a_photograph_that_is_gone_is_named_and_found_elsewhere(
    tmp_path: Path, make_out: MakeOut
) -> None:
    out = make_out(tmp_path, {"a.tif": LABELS})
    write_source(tmp_path / "moved" / "a.tif", UTM)
    (tmp_path / "photos" / "a.tif").unlink()
    done = export_results(out, tmp_path / "to", format="geotiff")
    assert done.failed == [("a.tif", "its photograph is not where it was; say where with --photos")]
    moved = export_results(out, tmp_path / "two", format="geotiff", photos=tmp_path / "moved")
    assert moved.failed == []
    assert 34735 in by_pillow(tmp_path / "two" / "a.tif")


def test_a_broken_tiff_is_an_error_of_its_own(tmp_path: Path, make_out: MakeOut) -> None:
    out = make_out(tmp_path, {"a.tif": LABELS, "b.png": LABELS})
    (tmp_path / "photos" / "a.tif").write_bytes(b"II*\0\xff\xff\xff\xff")
    done = export_results(out, tmp_path / "to", format="geotiff")
    assert done.written == 1
    assert "its tags cannot be read" in done.failed[0][1]


def test_files_of_other_kinds_have_no_place(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "empty").write_bytes(b"")
    assert read_georeference(tmp_path / "a.jpg", (3, 3)) == []
    assert read_georeference(tmp_path / "empty", (3, 3)) == []
