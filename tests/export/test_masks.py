from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from acseg.errors import DataError
from acseg.export.masks import encode_rle, mask_polygons, simplify
from acseg.export.rings import trace_rings

coco = pytest.importorskip("pycocotools.mask")

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=10))


def filled(polygons: list[list[float]], shape: tuple[int, int]) -> np.ndarray:
    """Count for each pixel how many polygons hold its centre, by the even-odd rule."""
    height, width = shape
    y, x = np.mgrid[:height, :width] + 0.5
    count = np.zeros(shape, dtype=int)
    for polygon in polygons:
        points = np.array(polygon).reshape(-1, 2)
        inside = np.zeros(shape, dtype=bool)
        for (x1, y1), (x2, y2) in zip(points, np.roll(points, -1, axis=0), strict=True):
            if y1 == y2:
                continue
            crosses = (y > min(y1, y2)) & (y < max(y1, y2))
            inside ^= crosses & (x1 + (y - y1) * (x2 - x1) / (y2 - y1) > x)
        count += inside
    return count


def counts_of(text: str) -> list[int]:
    """Read COCO's compressed counts: groups of five bits, differences from the third on."""
    values: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            group = ord(text[place]) - 48
            value |= (group & 31) << shift
            more = bool(group & 32)
            place, shift = place + 1, shift + 5
        if group & 16:
            value -= 1 << shift
        values.append(value + (values[-2] if len(values) > 2 else 0))
    return values


@settings(max_examples=50, deadline=None)
@given(MASKS)
def test_run_lengths_hold_the_mask(mask: np.ndarray) -> None:
    encoded = encode_rle(mask)
    assert encoded["size"] == list(mask.shape)
    runs = counts_of(encoded["counts"])
    flat = np.repeat(np.arange(len(runs)) % 2, runs)
    assert np.array_equal(flat.reshape(mask.shape, order="F"), mask)
    assert np.array_equal(coco.decode(encoded), mask)


@settings(max_examples=100, deadline=None)
@given(MASKS)
def test_polygons_hold_exactly_the_mask_and_none_overlap(mask: np.ndarray) -> None:
    assert np.array_equal(filled(mask_polygons(mask), mask.shape), mask.astype(int))


@settings(max_examples=100, deadline=None)
@given(MASKS)
def test_pycocotools_fills_the_polygons_to_the_same_mask(mask: np.ndarray) -> None:
    polygons = mask_polygons(mask)
    if polygons:
        runs = coco.merge(coco.frPyObjects(polygons, *mask.shape))
        assert np.array_equal(coco.decode(runs), mask)
    else:
        assert not mask.any()


@settings(max_examples=50, deadline=None)
@given(MASKS)
def test_each_edge_between_inside_and_outside_is_walked_once(mask: np.ndarray) -> None:
    padded = np.pad(mask, 1).astype(int)
    edges = np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()
    rings = trace_rings(mask)
    steps = [np.abs(np.roll(r.corners, -1, axis=0) - r.corners) for r in rings]
    assert sum(int(step.sum()) for step in steps) == edges
    for ring, step in zip(rings, steps, strict=True):
        assert (step.min(axis=1) == 0).all()  # along a row or a column
        assert (step.max(axis=1) > 0).all()  # no corner twice in a row
        x, y = ring.corners.T
        area = (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2
        assert area > 0  # clockwise as seen, y pointing down
        assert mask[tuple(ring.corners[0, ::-1])] != ring.hole


def test_what_meets_by_corners_are_polygons_apart() -> None:
    assert mask_polygons(np.eye(2)) == [[0, 0, 1, 0, 1, 1, 0, 1], [1, 1, 2, 1, 2, 2, 1, 2]]


def test_a_ring_is_cut_at_its_hole() -> None:
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    upper = [0, 0, 3, 0, 3, 1, 0, 1]
    lower = [0, 1, 1, 1, 1, 2, 2, 2, 2, 1, 3, 1, 3, 3, 0, 3]
    assert mask_polygons(mask) == [upper, lower]


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32])
def test_any_type_and_layout_of_mask_is_taken(kind: Any) -> None:
    mask = (np.arange(48).reshape(6, 8) % 5 > 1).astype(kind)
    for view in (mask, mask.T.copy().T, np.repeat(mask, 2, axis=1)[:, ::2], mask * 3):
        assert encode_rle(view) == encode_rle(mask != 0)
        assert mask_polygons(view) == mask_polygons(mask != 0)


@settings(max_examples=50, deadline=None)
@given(MASKS, st.floats(0.1, 4))
def test_simplified_lines_stay_within_the_tolerance(mask: np.ndarray, tolerance: float) -> None:
    for ring in trace_rings(mask):
        kept = simplify(ring.corners, tolerance)
        assert 3 <= len(kept) <= len(ring.corners)
        assert {tuple(c) for c in kept.tolist()} <= {tuple(c) for c in ring.corners.tolist()}
        start, end = kept.astype(float), np.roll(kept, -1, axis=0).astype(float)
        for corner in ring.corners:
            along = end - start
            share = ((corner - start) * along).sum(1) / (along**2).sum(1)
            nearest = start + share.clip(0, 1)[:, None] * along
            assert np.linalg.norm(corner - nearest, axis=1).min() <= tolerance + 1e-9


def test_a_tolerance_smooths_the_steps_of_a_slope_away() -> None:
    slope = np.tri(60, dtype=bool)
    (exact,) = mask_polygons(slope)
    (smooth,) = mask_polygons(slope, tolerance=1)
    assert len(exact) > 200
    assert len(smooth) <= 12


@pytest.mark.parametrize("call", [encode_rle, mask_polygons])
def test_a_mask_of_another_shape_is_refused(call: Any) -> None:
    with pytest.raises(DataError, match=r"must be \(H, W\), not of shape \(2, 2, 2\)"):
        call(np.ones((2, 2, 2)))


@pytest.mark.parametrize("tolerance", [-1.0, float("nan")])
def test_a_tolerance_below_nought_is_refused(tolerance: float) -> None:
    with pytest.raises(DataError, match="tolerance must be 0 or more"):
        mask_polygons(np.ones((2, 2)), tolerance=tolerance)


def test_without_pycocotools_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pycocotools", None)
    with pytest.raises(DataError, match=r"pip install 'acseg\[export\]'"):
        encode_rle(np.ones((2, 2)))
