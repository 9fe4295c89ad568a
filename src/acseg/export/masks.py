"""Masks in the forms that other tools read: COCO's run lengths and polygons."""

from typing import Any, TypedDict

import numpy as np
from scipy import ndimage

from acseg.errors import DataError
from acseg.export.rings import trace_rings


class RLE(TypedDict):
    """A mask in COCO's compressed run lengths: size is (height, width)."""

    size: list[int]
    counts: str


def encode_rle(mask: np.ndarray) -> RLE:
    """Encode a mask in COCO's compressed run lengths, ready for JSON.

    Parameters
    ----------
    mask : (H, W) bool or integer
        What is not 0 belongs to the mask.

    Returns
    -------
    dict
        ``{"size": [H, W], "counts": str}``, what ``pycocotools.mask.decode`` reads.

    Raises
    ------
    DataError
        If `mask` is not two-dimensional, or pycocotools is missing.
    """
    mask = _checked(mask)
    encoded = need_pycocotools().encode(np.asfortranarray(mask, dtype=np.uint8))
    height, width = mask.shape
    return {"size": [height, width], "counts": encoded["counts"].decode("ascii")}


def pack_runs(counts: np.ndarray, height: int, width: int) -> RLE:
    """Compress the lengths of runs down the columns, outside and inside in turn.

    Parameters
    ----------
    counts : (n,) integer
        The first run lies outside the mask and may be 0; the sum is height times width.
    height, width : int

    Raises
    ------
    DataError
        If pycocotools is missing.
    """
    runs = {"size": [height, width], "counts": counts.tolist()}
    encoded = need_pycocotools().frPyObjects(runs, height, width)
    return {"size": [height, width], "counts": encoded["counts"].decode("ascii")}


def mask_polygons(mask: np.ndarray, *, tolerance: float = 0.0) -> list[list[float]]:
    """Draw polygons around a mask, in COCO's form.

    The lines run along the edges of the pixels, so that the polygons hold exactly the pixels of
    the mask. Polygons have no holes: a part with holes is cut along rows into parts without.

    Parameters
    ----------
    mask : (H, W) bool or integer
        What is not 0 belongs to the mask.
    tolerance : float, default 0
        Corners may be left out as long as no line moves farther than this, in pixels. 0 is exact;
        1 smooths the steps of the pixels away, up to 5 makes small files of large pictures.
        Polygons of neighbours then overlap or gape by as much.

    Returns
    -------
    list of list of float
        One polygon a part, ``[x1, y1, x2, y2, ...]``; pixel (0, 0) covers the square from 0, 0
        to 1, 1. Empty for an empty mask.

    Raises
    ------
    DataError
        If `mask` is not two-dimensional or `tolerance` is negative.
    """
    mask = _checked(mask)
    if not tolerance >= 0:
        raise DataError(f"tolerance must be 0 or more pixels, not {tolerance}")
    polygons = []
    for corners in _without_holes(mask):
        kept = simplify(corners, tolerance) if tolerance else corners
        polygons.append(kept.astype(np.float64).ravel().tolist())
    return polygons


def simplify(corners: np.ndarray, tolerance: float) -> np.ndarray:
    """Leave out corners of a closed line that lie within `tolerance` of it (Douglas, Peucker).

    Parameters
    ----------
    corners : (n, 2)
        Corners in order, the first not repeated at the end; 3 or more.
    tolerance : float
        In pixels.

    Returns
    -------
    (m, 2), m at least 3
    """
    far = int(np.argmax(((corners - corners[0]) ** 2).sum(axis=1)))
    closed = np.concatenate([corners, corners[:1]]).astype(np.float64)
    keep = np.zeros(len(closed), dtype=bool)
    keep[[0, far, -1]] = True
    waiting = [(0, far), (far, len(closed) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        gap = _distance(closed[first + 1 : last], closed[first], closed[last])
        worst = int(np.argmax(gap))
        if gap[worst] > tolerance:
            middle = first + 1 + worst
            keep[middle] = True
            waiting += [(first, middle), (middle, last)]
    kept = corners[keep[:-1]]
    if len(kept) >= 3:
        return kept
    gap = _distance(closed[:-1], closed[0], closed[far])
    keep[int(np.argmax(gap))] = True
    return corners[keep[:-1]]


def need_pycocotools() -> Any:
    """Import pycocotools.mask, or raise DataError saying what to install."""
    try:
        from pycocotools import mask
    except ImportError:
        raise DataError("COCO run lengths need pycocotools; pip install 'acseg[export]'") from None
    return mask


def _checked(mask: np.ndarray) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise DataError(f"a mask must be (H, W), not of shape {mask.shape}")
    return mask != 0


def _without_holes(mask: np.ndarray) -> list[np.ndarray]:
    """List the outlines (n, 2) of parts that have no holes and together are the mask."""
    rings = trace_rings(mask)
    holes = [ring for ring in rings if ring.hole]
    if not holes:
        return [ring.corners for ring in rings]
    parts, _ = ndimage.label(mask)
    boxes = ndimage.find_objects(parts)
    cuts: dict[int, list[int]] = {}  # part -> the rows where its holes begin
    for ring in holes:
        x, y = ring.corners[0].tolist()
        cuts.setdefault(int(parts[y - 1, x]), []).append(y)
    found = []
    for ring in rings:
        if ring.hole:
            continue
        x, y = ring.corners[0].tolist()
        part = int(parts[y, x])
        if part not in cuts:
            found.append(ring.corners)
            continue
        rows, columns = boxes[part - 1]
        cut = sorted(cuts[part])[len(cuts[part]) // 2]
        for top, bottom in ((rows.start, cut), (cut, rows.stop)):
            piece = parts[top:bottom, columns] == part
            offset = np.array([columns.start, top])
            found += [corners + offset for corners in _without_holes(piece)]
    return found


def _distance(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Measure how far points (n, 2) lie from the stretch between two points: (n,)."""
    along = end - start
    length = float(along @ along)
    share = ((points - start) @ along / length).clip(0, 1) if length else np.zeros(len(points))
    return np.linalg.norm(points - start - share[:, None] * along, axis=1)
