import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from acseg.output.sampling import middles, sample_labels


@given(st.integers(1, 400), st.integers(1, 400))
def test_middles_by_their_plain_formula(length: int, parts: int) -> None:
    found = middles(length, parts)
    for part, cell in enumerate(found.tolist()):
        middle = (2 * part + 1) * length / (2 * parts)
        assert abs(cell + 0.5 - middle) <= 0.5 + 1e-9
    assert 0 <= found[0] <= found[-1] < length


def test_labels_of_blocks_come_back_at_half_and_at_double_the_size() -> None:
    small = np.arange(12, dtype=np.uint8).reshape(3, 4)
    large = small.repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(sample_labels(large, (4, 3)), small)
    np.testing.assert_array_equal(sample_labels(small, (8, 6)), large)
    np.testing.assert_array_equal(sample_labels(small.T, (3, 4)), small.T)  # not contiguous


def test_labels_are_taken_at_the_middle() -> None:
    labels = np.arange(36).reshape(6, 6)
    np.testing.assert_array_equal(sample_labels(labels, (2, 3)), labels[1::2][:, [1, 4]])
    np.testing.assert_array_equal(sample_labels(labels, (6, 6)), labels)
