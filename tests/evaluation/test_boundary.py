import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from acseg.evaluation.boundary import boundary_f

VOID = 255


def edge_pixels(values: np.ndarray, valid: np.ndarray) -> set:
    found = set()
    height, width = values.shape
    for y in range(height):
        for x in range(width):
            for v, u in ((y + 1, x), (y, x + 1)):
                inside = v < height and u < width
                if inside and valid[y, x] and valid[v, u] and values[y, x] != values[v, u]:
                    found |= {(y, x), (v, u)}
    return found


def near(point: tuple, others: set, reach: float) -> bool:
    return any(math.dist(point, other) <= reach for other in others)


def plain(labels: np.ndarray, mask: np.ndarray, reach: float) -> float:
    labelled = mask != VOID
    if not labelled.any():
        return math.nan
    void = set(map(tuple, np.argwhere(~labelled).tolist()))
    true = edge_pixels(mask, labelled)
    everywhere = edge_pixels(labels, np.ones_like(labelled))
    judged = {point for point in everywhere if not near(point, void, reach)}
    if not true and not judged:
        return 1.0
    right = [near(point, true, reach) for point in judged]
    found = [near(point, everywhere, reach) for point in true]
    precision = sum(right) / len(right) if right else 0.0
    recall = sum(found) / len(found) if found else 0.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@given(arrays(np.uint8, (2, 6, 7), elements=st.sampled_from([0, 0, 0, 1, 1, VOID])))
@settings(max_examples=60, deadline=None)
def test_is_the_plain_definition(pair):
    expected = plain(*pair, reach=1.0)
    assert boundary_f(*pair) == pytest.approx(expected, nan_ok=True)


def test_a_shift_within_the_tolerance_is_forgiven():
    mask = np.zeros((40, 40), int)
    mask[:, 20:] = 1
    shifted = np.roll(mask, 3, axis=1)
    shifted[:, :3] = 0
    assert boundary_f(shifted, mask) < 0.5
    assert boundary_f(shifted, mask, tolerance=0.06) == 1.0


def test_void_hides_edges():
    mask = np.zeros((9, 9), int)
    labels = mask.copy()
    labels[4:, :] = 1
    assert boundary_f(labels, mask) == 0.0
    mask[3:6] = VOID
    assert boundary_f(labels, mask) == 1.0
