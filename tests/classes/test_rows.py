import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.classes.rows import check_labels, unit_rows
from acseg.errors import DataError


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(0, 6),
    dim=st.integers(1, 6),
    power=st.integers(-35, 35),
    seed=st.integers(0, 1000),
)
def test_rows_keep_their_direction_at_any_scale(rows, dim, power, seed):
    values = np.random.default_rng(seed).normal(size=(rows, dim))
    found = unit_rows(values * 10.0**power)
    assert found.dtype == np.float32
    plain = values / np.linalg.norm(values, axis=1, keepdims=True)
    np.testing.assert_allclose(found, plain, atol=1e-5)


def test_zero_rows_integers_and_strides():
    found = unit_rows(np.array([[0, 3, 9], [0, 4, 9]]).T[:2])
    np.testing.assert_allclose(found, [[0, 0], [0.6, 0.8]], atol=1e-6)


def test_given_rows_are_left_alone():
    values = np.full((2, 3), 7, dtype=np.float32)
    unit_rows(values)
    assert (values == 7).all()


def test_errors_name_what_is_wrong():
    for bad in (np.zeros(3), np.zeros((2, 2, 2)), np.array([["a"]])):
        with pytest.raises(DataError, match="shape"):
            unit_rows(bad)
    for number in (np.nan, np.inf):
        with pytest.raises(DataError, match="descriptor 1 "):
            unit_rows([[1.0, 2], [number, 0]])
    for labels in ([0, 1], [0.0, 1.0, 2.0], [[0, 1, 2]]):
        with pytest.raises(DataError, match="3 whole numbers"):
            check_labels(labels, 3)
    assert check_labels(np.array([1, 2], dtype=np.uint8), 2).dtype == np.int64
