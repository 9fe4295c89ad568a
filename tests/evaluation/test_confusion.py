import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import confusion_matrix

from acseg.errors import DataError
from acseg.evaluation.confusion import confusion


@given(arrays(np.int16, (2, 6, 3), elements=st.sampled_from([0, 1, 2, 3, 4, 255])))
@settings(deadline=None)
def test_counts_are_those_of_scikit_learn(pair):
    labels, mask = pair
    found = confusion(labels, mask, 5, 5)
    keep = mask != 255
    if not keep.any():
        assert found.total == 0
        return
    expected = confusion_matrix(labels[keep], mask[keep], labels=[0, 1, 2, 3, 4, 255])
    np.testing.assert_array_equal(found.counts, expected[:5, :5])
    np.testing.assert_array_equal(found.missed, expected[5, :5])
    assert found.total == keep.sum()


def test_pixels_without_ground_truth_are_left_out():
    found = confusion(np.array([[0, 1]]), np.array([[255, 0]]))
    np.testing.assert_array_equal(found.counts, [[0], [1]])


def test_matrices_of_two_images_are_added_and_grow():
    one = confusion(np.array([0]), np.array([0]))
    two = confusion(np.array([2, 255]), np.array([1, 1]))
    both = one + two
    np.testing.assert_array_equal(both.counts, [[1, 0], [0, 0], [0, 1]])
    np.testing.assert_array_equal(both.missed, [0, 1])
    np.testing.assert_array_equal(both.counts, (two + one).counts)


def test_another_void_lets_255_be_a_class():
    found = confusion(np.array([255, 9]), np.array([255, 65535]), void=65535)
    assert found.counts.shape == (256, 256)
    assert found.counts[255, 255] == 1
    assert found.total == 1


def test_non_contiguous_and_boolean_maps():
    labels = np.arange(12).reshape(3, 4).T[::2] % 3
    found = confusion(labels, labels > 0)
    assert found.counts.tolist() == [[2, 0], [0, 2], [0, 2]]


@pytest.mark.parametrize(
    ("labels", "mask", "sizes", "words"),
    [
        (np.zeros((2, 3), int), np.zeros((3, 2), int), {}, "3 x 2.*2 x 3"),
        (np.zeros(2), np.zeros(2, int), {}, "labels: values are float64"),
        (np.array([-1]), np.array([0]), {}, "labels: holds -1"),
        (np.array([4]), np.array([0]), {"n_pred": 4}, r"labels: holds 4; expected 0 .. 3"),
        (np.array([0]), np.array([7]), {"n_true": 2}, r"mask: holds 7; expected 0 .. 1"),
    ],
)
def test_what_does_not_fit_is_named(labels, mask, sizes, words):
    with pytest.raises(DataError, match=words):
        confusion(labels, mask, **sizes)
