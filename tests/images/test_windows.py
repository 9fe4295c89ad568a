import io
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from acseg.errors import ImageError
from acseg.images import tiff as tiff_module
from acseg.images import windows as windows_module
from acseg.images.bands import Reading
from acseg.images.open_windows import open_windows
from acseg.images.read import read_image
from acseg.images.tiff import Tiff
from acseg.images.windows import overview

tifffile = pytest.importorskip("tifffile")

LAYOUTS: dict[str, dict[str, Any]] = {
    "tiles": {"tile": (16, 32), "compression": "deflate"},
    "plain tiles": {"tile": (32, 16)},
    "strips": {"rowsperstrip": 7, "compression": "deflate"},
    "plain strips": {"rowsperstrip": 5},
    "one strip": {},
    "predictor": {"tile": (32, 32), "compression": "deflate", "predictor": True},
    "big endian": {"byteorder": ">", "rowsperstrip": 9},
    "bigtiff": {"bigtiff": True, "tile": (16, 16)},
}


def values(dtype: Any = np.uint8, bands: int = 3) -> np.ndarray:
    random = np.random.default_rng(bands)
    return (random.random((53, 71, bands)) * 250).astype(dtype)


def write(path: Path, array: np.ndarray, *, planar: str = "contig", **more: Any) -> Path:
    stored = np.moveaxis(array, -1, 0) if planar == "separate" else array
    photometric = more.pop("photometric", "rgb" if array.shape[2] in (3, 4) else "minisblack")
    if array.shape[2] == 1:
        tifffile.imwrite(path, array[..., 0], photometric=photometric, **more)
    else:
        tifffile.imwrite(path, stored, planarconfig=planar, photometric=photometric, **more)
    return path


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_window_is_that_part_of_the_picture(
    tmp_path: Path, layout: str, planar: str, dtype: Any
) -> None:
    array = values(dtype, 5)
    path = write(tmp_path / "a.tif", array, planar=planar, **LAYOUTS[layout])
    with Tiff(path) as tiff:
        assert (tiff.height, tiff.width, tiff.bands, tiff.dtype) == (53, 71, 5, dtype)
        np.testing.assert_array_equal(tiff.read(0, 0, 53, 71), array)
        for top, left, height, width in (
            (0, 0, 1, 1),
            (20, 30, 33, 41),
            (52, 70, 1, 1),
            (9, 3, 17, 60),
        ):
            found = tiff.read(top, left, height, width, (5, 1, 5))
            wanted = array[top : top + height, left : left + width][..., [4, 0, 4]]
            np.testing.assert_array_equal(found, wanted)


def test_the_cache_is_bounded_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = values(np.uint16, 3)
    path = write(tmp_path / "a.tif", array, tile=(16, 16), compression="deflate")
    monkeypatch.setattr(tiff_module, "CACHE", 4000)
    with Tiff(path) as tiff:
        np.testing.assert_array_equal(tiff.read(0, 0, 53, 71), array)
        assert tiff._held <= 4000
        np.testing.assert_array_equal(tiff.read(3, 3, 40, 60), array[3:43, 3:63])


def test_a_sparse_file_holds_no_data_where_nothing_was_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", values(np.uint8, 1), tile=(16, 16), compression="deflate",
                 extratags=[(42113, "s", 0, "7", True)])  # fmt: skip
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        offsets, counts = list(page.dataoffsets), list(page.databytecounts)
        offsets[0] = counts[0] = 0
    with Tiff(path) as tiff:
        tiff._page.dataoffsets, tiff._page.databytecounts = offsets, counts
        assert tiff.nodata == 7
        assert (tiff.read(0, 0, 16, 16) == 7).all()
        np.testing.assert_array_equal(tiff.read(16, 16, 20, 20), values(bands=1)[16:36, 16:36])


def test_a_tile_of_absurd_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tif", values(), rowsperstrip=53, compression="deflate")
    monkeypatch.setattr(tiff_module, "LARGEST", 1000)
    with pytest.raises(ImageError, match=r"a\.tif: one strip of this TIFF holds 0 MiB; save it in"):
        open_windows(path)


@pytest.mark.parametrize(
    ("mode", "more"),
    [("RGB", {}), ("RGBA", {}), ("L", {}), ("LA", {}), ("P", {}), ("1", {"compression": "group4"}),
     ("CMYK", {}), ("I;16", {}), ("F", {})],
)  # fmt: skip
def test_windows_show_what_reading_the_whole_shows(
    tmp_path: Path, mode: str, more: dict[str, Any]
) -> None:
    picture = Image.fromarray(values())
    if mode in ("I;16", "F"):
        deep = values(np.uint16, 1)[..., 0] * 7
        picture = Image.fromarray(deep if mode == "I;16" else deep.astype(np.float32) / 3)
    else:
        picture = picture.quantize(9) if mode == "P" else picture.convert(mode)
    if mode in ("RGBA", "LA"):
        picture.putalpha(Image.fromarray(values(bands=1)[..., 0]))
    picture.save(tmp_path / "a.tif", **more)
    whole = read_image(tmp_path / "a.tif")
    with closing(open_windows(tmp_path / "a.tif")) as windows:
        assert (windows.height, windows.width) == (53, 71)
        found = windows.read(11, 5, 30, 50)
    assert np.abs(found.astype(int) - whole[11:41, 5:55]).max() <= 1


def test_white_is_zero_and_ycbcr_in_jpeg(tmp_path: Path) -> None:
    grey = values(bands=1)
    write(tmp_path / "a.tif", grey, photometric="miniswhite", tile=(16, 16))
    with closing(open_windows(tmp_path / "a.tif")) as windows:
        np.testing.assert_array_equal(windows.read(0, 0, 53, 71)[..., 0], 255 - grey[..., 0])
    pytest.importorskip("imagecodecs")
    smooth = np.asarray(Image.fromarray(values()[:6, :6]).resize((71, 53)))
    write(tmp_path / "b.tif", smooth, compression="jpeg", compressionargs={"level": 98},
          tile=(32, 32))  # fmt: skip
    with closing(open_windows(tmp_path / "b.tif")) as windows:
        found = windows.read(0, 0, 53, 71)
    assert np.abs(found.astype(int) - smooth).mean() < 4


def test_sixteen_bit_colour_keeps_its_upper_bits(tmp_path: Path) -> None:
    array = values(np.uint16, 3) * 256 + 9
    write(tmp_path / "a.tif", array, tile=(16, 16))
    with closing(open_windows(tmp_path / "a.tif")) as windows:
        np.testing.assert_array_equal(windows.read(0, 0, 53, 71), (array >> 8).astype(np.uint8))


@pytest.mark.parametrize(
    "reading", [Reading((4, 3, 2), (2, 98)), Reading((5,)), Reading(None, (0, 100))]
)
def test_bands_and_stretch_are_those_of_the_whole_picture_in_every_window(
    tmp_path: Path, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows_module, "PIECE", 500)  # the limits come from several pieces
    array = (values(np.float32, 6) * np.linspace(1, 9, 71)[:, None]).astype(np.uint16)
    write(tmp_path / "a.tif", array, tile=(16, 16))
    whole = read_image(tmp_path / "a.tif", reading=reading)
    bands = [b - 1 for b in reading.bands or (1, 2, 3)]
    shown = array[..., bands].astype(np.float64)
    if reading.stretch is None:
        low, high = shown.min(), shown.max()
    else:
        low, high = np.percentile(shown, reading.stretch, axis=(0, 1))
    wanted = ((shown - low) / (high - low)).clip(0, 1) * 255
    assert np.abs(whole - wanted).max() <= 0.5 + 1e-9
    with closing(open_windows(tmp_path / "a.tif", reading=reading)) as windows:
        np.testing.assert_array_equal(windows.read(30, 20, 23, 51), whole[30:, 20:])


def test_reading_other_pictures_with_bands_and_stretch() -> None:
    array = values()
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, format="PNG")
    found = read_image(stream.getvalue(), reading=Reading((3, 2, 1)))
    np.testing.assert_array_equal(found, array[..., ::-1])
    many = values(np.uint16, 7)
    found = read_image(many, reading=Reading((7, 1, 2), (0, 100)))
    wanted = many[..., [6, 0, 1]].astype(float)
    low, high = wanted.min((0, 1)), wanted.max((0, 1))
    assert np.abs(found - (wanted - low) / (high - low) * 255).max() <= 0.5 + 1e-9
    with pytest.raises(ImageError, match="has 3 bands, so there is no band 4"):
        read_image(stream.getvalue(), name="a.png", reading=Reading((4, 3, 2)))


def test_all_sixteen_bits_of_a_colour_png_are_stretched(tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    dark = values(np.uint16, 3)  # twelve bits in sixteen: Pillow alone would give black
    data = imagecodecs.png_encode(dark)
    assert read_image(data).max() == 0
    found = read_image(data, reading=Reading(None, (0, 100)))
    low, high = dark.min((0, 1)).astype(float), dark.max((0, 1)).astype(float)
    assert np.abs(found - (dark - low) / (high - low) * 255).max() <= 0.5 + 1e-9


def test_beyond_the_limit_windows_are_read_and_the_whole_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = values()
    path = write(tmp_path / "a.tif", array, tile=(16, 16))
    monkeypatch.setattr("acseg.images.faults.MAX_PIXELS", 1000)
    with pytest.raises(ImageError, match=r"a\.tif: .* --tile auto"):
        read_image(path)
    with closing(open_windows(path)) as windows:
        np.testing.assert_array_equal(windows.read(8, 8, 40, 40), array[8:48, 8:48])
    small = read_image(path, short_side=20)  # what a report asks for
    assert min(small.shape[:2]) == 20
    box = np.asarray(Image.fromarray(array).resize((small.shape[1], 20), Image.Resampling.BOX))
    assert np.abs(small.astype(int) - box).mean() < 2
    Image.fromarray(array).save(tmp_path / "b.png")
    with pytest.raises(ImageError, match="save it as a TIFF in tiles and pass --tile auto"):
        open_windows(tmp_path / "b.png")
    monkeypatch.setattr("acseg.images.open_windows.MOST_PIXELS", 2000)
    with pytest.raises(ImageError, match="71 x 53 pixels, more than the 2,000"):
        open_windows(path)


def test_a_turned_tiff_is_read_upright(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", values(), extratags=[(274, "H", 1, 6, True)])
    with closing(open_windows(path)) as windows:
        assert (windows.height, windows.width) == (71, 53)
        np.testing.assert_array_equal(windows.read(0, 0, 71, 53), read_image(path))


def test_a_window_of_a_cut_file_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tif", values(np.uint16), tile=(16, 16), compression="deflate")
    path.write_bytes(path.read_bytes()[:-3000])
    monkeypatch.setattr("acseg.images.faults.MAX_PIXELS", 1000)
    with (
        pytest.raises(ImageError, match=r"a\.tif: broken or truncated"),
        closing(open_windows(path)) as windows,
    ):
        windows.read(0, 0, 53, 71)


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(8, 60), st.integers(8, 80))
def test_an_overview_averages(tmp_path: Path, height: int, width: int) -> None:
    array = values()
    path = tmp_path / "a.tif"
    if not path.exists():
        write(path, array, tile=(16, 16))
    with closing(open_windows(path)) as windows:
        small = overview(windows, (height, width))
    assert small.shape == (height, width, 3)
    assert abs(float(small.mean()) - float(array.mean())) < 3
