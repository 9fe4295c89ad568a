"""The size of a pixel on the ground, by the tags of a GeoTIFF."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acseg.images.georeference import pixel_area

tifffile = pytest.importorskip("tifffile")


def picture(
    path: Path, *, keys: dict[int, int], scale: tuple[float, float] | None = (0.5, 0.25),
    top: float = 5_400_000.0, more: Any = (),
) -> Path:  # fmt: skip
    """Write a GeoTIFF of 100 x 200 pixels."""
    table = [1, 1, 0, len(keys)]
    for key, value in keys.items():
        table += [key, 0, 1, value]
    tags: list[Any] = [(34735, 3, len(table), tuple(table), True), *more]
    if scale is not None:
        tags.append((33550, 12, 3, (*scale, 0.0), True))
        tags.append((33922, 12, 6, (0.0, 0.0, 0.0, 500_000.0, top, 0.0), True))
    tifffile.imwrite(path, np.zeros((100, 200, 3), np.uint8), photometric="rgb", extratags=tags)
    return path


def test_in_metres_and_in_feet(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    assert pixel_area(picture(path, keys={1024: 1, 3072: 32632})) == 0.125
    assert pixel_area(picture(path, keys={1024: 1, 3076: 9001})) == 0.125
    feet = pixel_area(picture(path, keys={1024: 1, 3076: 9003}))
    assert feet == pytest.approx(0.125 * 0.3048006096**2)
    assert pixel_area(picture(path, keys={1024: 1, 3076: 9036})) is None  # kilometres: not known


def test_by_a_transformation(tmp_path: Path) -> None:
    matrix = (34264, 12, 16, (1.0, 0.2, 0.0, 10.0, 0.3, -1.0, 0.0, 50.0, *[0.0] * 7, 1.0), True)
    path = picture(tmp_path / "a.tif", keys={1024: 1}, scale=None, more=[matrix])
    assert pixel_area(path) == pytest.approx(1.06)


def test_in_degrees_and_in_web_mercator(tmp_path: Path) -> None:
    path, step = tmp_path / "a.tif", 1e-5
    found = pixel_area(picture(path, keys={1024: 2}, scale=(step, step), top=45.0))
    assert found == pytest.approx(1.11132 * 0.78847, rel=1e-3)  # metres of 1e-5 degrees at 45
    north = math.log(math.tan(math.pi / 4 + math.radians(60) / 2)) * 6378137
    web = pixel_area(picture(path, keys={1024: 1, 3072: 3857}, scale=(1, 1), top=north))
    assert web == pytest.approx(0.25, rel=1e-3)  # twice too long each way at 60 degrees


@pytest.mark.parametrize("content", [b"", b"II*\0broken", b"\xff\xd8\xff"])
def test_other_files_have_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    assert pixel_area(tmp_path / "a.tif") is None
    assert pixel_area(tmp_path / "gone.tif") is None
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((4, 4), np.uint8))
    assert pixel_area(tmp_path / "b.tif") is None
