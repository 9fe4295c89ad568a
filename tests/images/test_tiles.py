from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from acseg.errors import ImageError
from acseg.images import tiles
from acseg.images.bands import Reading
from acseg.images.tiles import cut_sources, is_tiled, picture_size, read_source, tile_side
from acseg.images.walk import Source


def picture(path: Path, height: int, width: int) -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)
    return values


@pytest.mark.parametrize(
    ("size", "tile", "tiled"),
    [
        ((9000, 9000), None, False),
        ((9000, 9000), "auto", True),
        ((4000, 3000), "auto", False),  # a photograph is seen whole
        ((4000, 3000), 640, True),
        ((640, 640), 640, False),
        ((640, 641), 640, True),
        (None, 640, False),
    ],
)
def test_which_pictures_are_tiled(
    size: tuple[int, int] | None, tile: int | str | None, tiled: bool
) -> None:
    assert is_tiled(size, tile, 160) is tiled


def test_auto_is_four_times_the_side() -> None:
    assert (tile_side("auto", 160), tile_side(300, 160)) == (640, 300)


def test_sizes_come_from_the_head_of_the_file(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.tif"):
        picture(tmp_path / name, 30, 50)
        assert picture_size(tmp_path / name) == (30, 50)
    (tmp_path / "b.png").write_text("no picture")
    (tmp_path / "b.tif").write_bytes(b"II*\0broken")
    for name in ("b.png", "b.tif", "gone.png", "."):
        assert picture_size(tmp_path / name) is None


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_tiles_cover_the_picture_and_are_its_parts(tmp_path: Path, name: str) -> None:
    values = picture(tmp_path / name, 50, 70)
    picture(tmp_path / "small.png", 20, 20)
    given = [Source(tmp_path / name, name), Source(tmp_path / "small.png", "small.png")]
    *parts, small = cut_sources(given, 32, 16)
    assert small == given[1]
    assert len(parts) == 2 * 3
    assert parts[1].relative == f"{name}#32,0,32,32"
    assert len({part.relative for part in parts}) == 6
    seen = np.zeros((50, 70), int)
    for part in parts:
        assert part.window is not None
        top, left, height, width = part.window
        seen[top : top + height, left : left + width] += 1
        wanted = values[top : top + height, left : left + width]
        np.testing.assert_array_equal(read_source(part), wanted)
    assert seen.min() == 1
    np.testing.assert_array_equal(read_source(given[0]), values)
    assert list(cut_sources(given, None, 16)) == given


@settings(deadline=None)
@given(st.integers(1, 500), st.integers(1, 100))
def test_tiles_of_a_line_lie_in_it_and_cover_it(length: int, tile: int) -> None:
    starts = tiles._starts(length, tile)
    assert min(starts) == 0
    assert max(starts) + min(tile, length) == length
    assert all(b - a <= tile for a, b in pairwise(starts))


def test_a_tile_of_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"a\.tif#0,0,8,8: "):
        read_source(Source(tmp_path / "a.tif", "a.tif#0,0,8,8", (0, 0, 8, 8)))


def test_tiles_share_the_stretch_of_their_picture(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = np.linspace(0, 4000, 40 * 40).reshape(40, 40).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, tile=(16, 16))
    reading = Reading(None, (0, 100))
    whole = read_source(Source(tmp_path / "a.tif", "a.tif"), reading)
    part = read_source(Source(tmp_path / "a.tif", "b", (20, 20, 16, 16)), reading)
    np.testing.assert_array_equal(part, whole[20:36, 20:36])
    assert part.max() < 255
