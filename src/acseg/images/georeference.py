"""Where a picture lies on the ground: the tags of a GeoTIFF, and the size of its pixels."""

import math
from pathlib import Path
from typing import Any

TAGS = (33550, 33922, 34264, 34735, 34736, 34737, 50844)
"""Pixel scale, tie points, transformation, the keys of the coordinate system with their numbers and
texts, and rational polynomial coefficients."""

_SCALE, _TIES, _MATRIX, _KEYS = 33550, 33922, 34264, 34735
_MODEL_TYPE, _PROJECTION, _UNIT = 1024, 3072, 3076  # keys: kind of coordinates, EPSG code, unit
_PROJECTED, _GEOGRAPHIC = 1, 2
_METRES = {0: 1.0, 9001: 1.0, 9002: 0.3048, 9003: 1200 / 3937}  # 0: not said
_WEB_MERCATOR = 3857
_RADIUS, _FLATTENING = 6378137.0, 1 / 298.257223563  # WGS 84
_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def is_tiff(path: Path) -> bool:
    """Say whether a file begins as TIFF and BigTIFF files do."""
    try:
        with path.open("rb") as file:
            return file.read(4) in _STARTS
    except OSError:
        return False


def pixel_area(path: Path) -> float | None:
    """Measure a pixel of a picture on the ground, in m2.

    In projected coordinates it is that of the projection (of Web Mercator, which enlarges, that of
    the ground); in degrees, the one in the middle of the picture.

    Returns
    -------
    float or None
        None where the picture is not georeferenced, or in units that are not known.
    """
    if not path.is_file() or not is_tiff(path):
        return None
    try:
        import tifffile

        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0]
            tags = {code: page.tags[code].value for code in TAGS if code in page.tags}
            middle = page.imagelength / 2, page.imagewidth / 2
        return _area(tags, middle)
    except Exception:  # noqa: BLE001  tifffile raises nearly everything, on broken files too
        return None


def _area(tags: dict[int, Any], middle: tuple[float, float]) -> float | None:
    """Measure a pixel by the tags; `middle` is the row and column in the middle."""
    if _KEYS not in tags:
        return None
    keys = {key: value for key, where, _, value in _fours(tags[_KEYS])[1:] if where == 0}
    if _MATRIX in tags:
        m = [float(v) for v in tags[_MATRIX]]
        size = abs(m[0] * m[5] - m[1] * m[4])
        y = m[4] * middle[1] + m[5] * middle[0] + m[7]
    elif _SCALE in tags:
        across, down = (float(v) for v in tags[_SCALE][:2])
        size = abs(across * down)
        ties = [float(v) for v in tags.get(_TIES, ())] or [0.0] * 6
        y = ties[4] - (middle[0] - ties[1]) * down
    else:
        return None
    if not 0 < size < math.inf:
        return None
    kind = keys.get(_MODEL_TYPE)
    if kind == _GEOGRAPHIC:
        return size * _square_degree(y) if abs(y) < 90 else None
    unit = _METRES.get(keys.get(_UNIT, 0))
    if kind != _PROJECTED or unit is None:
        return None
    if keys.get(_PROJECTION) == _WEB_MERCATOR:
        size /= math.cosh(y / _RADIUS) ** 2
    return size * unit**2


def _square_degree(latitude: float) -> float:
    """Give the m2 of a square of one degree at a latitude."""
    squared = _FLATTENING * (2 - _FLATTENING)
    phi = math.radians(latitude)
    bend = 1 - squared * math.sin(phi) ** 2
    north = _RADIUS * (1 - squared) / bend**1.5
    east = _RADIUS * math.cos(phi) / math.sqrt(bend)
    return north * east * math.radians(1) ** 2


def _fours(values: Any) -> list[tuple[int, ...]]:
    numbers = [int(value) for value in values]
    return [tuple(numbers[i : i + 4]) for i in range(0, len(numbers) - 3, 4)]
