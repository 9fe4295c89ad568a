import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.classes.reservoir import Reservoir
from acseg.errors import DataError


@settings(deadline=None, max_examples=80)
@given(
    capacity=st.integers(1, 12),
    batches=st.lists(st.integers(0, 15), max_size=8),
    seed=st.integers(0, 1000),
)
def test_batches_do_not_matter_and_rows_are_of_the_stream(capacity, batches, seed):
    stream = np.arange(sum(batches) * 2, dtype=np.float32).reshape(-1, 2)
    cut, single = Reservoir(capacity, 2, seed), Reservoir(capacity, 2, seed)
    for part in np.split(stream, np.cumsum(batches)):
        cut.add(part)
    for row in stream:
        single.add(row[None])
    assert len(cut) == min(capacity, len(stream))
    assert cut.seen == len(stream)
    np.testing.assert_array_equal(cut.rows(), single.rows())
    np.testing.assert_array_equal(cut.places(), single.places())
    np.testing.assert_array_equal(cut.rows(), stream[cut.places()])
    assert len(set(cut.places().tolist())) == len(cut)


def test_sample_is_uniform():
    counts = np.zeros(20)
    for seed in range(2000):
        reservoir = Reservoir(5, 1, seed)
        reservoir.add(np.zeros((13, 1)))
        reservoir.add(np.zeros((7, 1)))
        counts[reservoir.places()] += 1
    # Each place is kept with probability 1/4: 500 expected, standard deviation 19.4.
    assert np.abs(counts - 500).max() < 5 * 19.4


def test_seed_decides():
    kept = []
    for seed in (0, 0, 1):
        reservoir = Reservoir(10, 1, seed)
        reservoir.add(np.arange(1000.0)[:, None])
        kept.append(reservoir.places().tolist())
    assert kept[0] == kept[1] != kept[2]


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="capacity"):
        Reservoir(0, 3)
    reservoir = Reservoir(4, 3)
    for rows in (np.zeros((2, 2)), np.zeros(3)):
        with pytest.raises(DataError, match="3 dimensions"):
            reservoir.add(rows)
