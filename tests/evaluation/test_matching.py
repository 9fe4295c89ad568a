from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from acseg.evaluation.confusion import Confusion
from acseg.evaluation.matching import hungarian, iou_matrix, majority

counts = arrays(
    np.int64, array_shapes(min_dims=2, max_dims=2, max_side=5), elements=st.integers(0, 9)
)


def total(gain: np.ndarray, mapping: np.ndarray) -> float:
    return sum(gain[row, column] for row, column in enumerate(mapping) if column >= 0)


def best(gain: np.ndarray) -> float:
    if gain.shape[0] > gain.shape[1]:
        gain = gain.T
    return max(
        sum(gain[i, j] for i, j in enumerate(order))
        for order in permutations(range(gain.shape[1]), gain.shape[0])
    )


@given(counts, st.sampled_from(["pixels", "iou"]))
@settings(deadline=None)
def test_hungarian_reaches_the_best_sum_one_to_one(matrix, on):
    matrix = Confusion(matrix, np.zeros(matrix.shape[1], int))
    gain = matrix.counts if on == "pixels" else iou_matrix(matrix)
    mapping = hungarian(matrix, on=on)
    taken = mapping[mapping >= 0]
    assert len(set(taken.tolist())) == len(taken)
    assert total(gain, mapping) == pytest.approx(best(gain))


@given(counts)
@settings(deadline=None)
def test_majority_is_the_most_frequent_class(matrix):
    mapping = majority(Confusion(matrix, np.zeros(matrix.shape[1], int)))
    for row, target in zip(matrix, mapping):
        assert (target == -1) == (row.sum() == 0)
        if row.sum():
            assert row[target] == row.max()


def test_pixels_and_iou_can_disagree():
    # Cluster 0 has more pixels of class 0 than cluster 1 has, but spills over into class 1.
    matrix = Confusion(np.array([[60, 50], [50, 0], [0, 300]]), np.zeros(2, int))
    assert hungarian(matrix, on="pixels").tolist() == [0, -1, 1]
    assert hungarian(matrix, on="iou").tolist() == [-1, 0, 1]


def test_nothing_in_common_is_no_match():
    matrix = Confusion(np.array([[5, 0], [0, 0]]), np.array([0, 3]))
    assert hungarian(matrix).tolist() == [0, -1]


def test_missed_pixels_widen_the_union():
    assert iou_matrix(Confusion(np.array([[3]]), np.array([1])))[0, 0] == 0.75


def test_no_clusters_and_no_classes():
    assert hungarian(Confusion(np.zeros((0, 3), int), np.ones(3, int))).shape == (0,)
    assert majority(Confusion(np.zeros((2, 0), int), np.zeros(0, int))).tolist() == [-1, -1]


def test_unknown_criterion_is_named():
    with pytest.raises(ValueError, match="'dice'"):
        hungarian(Confusion(np.ones((1, 1), int), np.zeros(1, int)), on="dice")
