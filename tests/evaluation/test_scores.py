"""Scores against their definitions, computed slowly and plainly, and against scikit-learn."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, jaccard_score

from acseg.evaluation.confusion import confusion
from acseg.evaluation.matching import hungarian, majority
from acseg.evaluation.scores import (
    accuracy,
    class_confusion,
    covering,
    frequency_weighted_iou,
    matched_iou,
    miou,
    per_class_iou,
)

VOID = 255
values = st.sampled_from([0, 1, 2, 3, VOID])
maps = arrays(np.uint8, (2, 4, 5), elements=values)


def iou(one: set, other: set) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0


def areas(values: np.ndarray, mask: np.ndarray) -> dict[int, set]:
    """The labelled pixels of each value that is not void."""
    found: dict[int, set] = {}
    for pixel, (value, true) in enumerate(zip(values.ravel().tolist(), mask.ravel().tolist())):
        if true != VOID and value != VOID:
            found.setdefault(value, set()).add(pixel)
    return found


def best_assignment(gain: np.ndarray) -> float:
    """Largest sum of a one-to-one assignment, by trying all of them."""
    rows, columns = gain.shape
    if rows > columns:
        return best_assignment(gain.T)
    return max(
        sum(gain[row, column] for row, column in enumerate(chosen))
        for chosen in permutations(range(columns), rows)
    )


def image_miou(labels: np.ndarray, mask: np.ndarray) -> float:
    segments = list(areas(labels, mask).values())
    regions = list(areas(mask, mask).values())
    if not segments:
        return 0.0
    gain = np.array([[iou(segment, region) for region in regions] for segment in segments])
    return best_assignment(gain) / len(regions)


def plain_covering(labels: np.ndarray, mask: np.ndarray) -> float:
    segments = areas(labels, mask).values()
    regions = areas(mask, mask).values()
    best = [max((iou(s, r) for s in segments), default=0.0) * len(r) for r in regions]
    return sum(best) / sum(len(r) for r in regions)


def class_scores(predicted: list[int], true: list[int], classes: int) -> dict[str, object]:
    """IoU of each class and the means; `predicted` holds -1 where no class was given."""
    ious: list[float | None] = []
    weighted = 0.0
    for name in range(classes):
        one = {i for i, value in enumerate(predicted) if value == name}
        other = {i for i, value in enumerate(true) if value == name}
        ious.append(iou(one, other) if other else None)
        weighted += (iou(one, other) if other else 0.0) * len(other) / len(true)
    present = [value for value in ious if value is not None]
    return {
        "iou": ious,
        "miou": sum(present) / len(present),
        "accuracy": sum(p == t for p, t in zip(predicted, true)) / len(true),
        "weighted": weighted,
    }


def mapped(labels: np.ndarray, mask: np.ndarray, mapping: np.ndarray) -> tuple[list, list]:
    """Class that each labelled pixel gets (-1 for none), and the one that it has."""
    keep = mask != VOID
    predicted = [-1 if v == VOID else int(mapping[v]) for v in labels[keep].tolist()]
    return predicted, mask[keep].tolist()


@given(maps)
@settings(max_examples=60, deadline=None)
def test_image_scores_are_the_plain_ones(pair):
    labels, mask = pair
    matrix = confusion(labels, mask)
    if not matrix.total:
        assert np.isnan(matched_iou(matrix))
        assert np.isnan(covering(matrix))
        return
    assert matched_iou(matrix) == pytest.approx(image_miou(labels, mask))
    assert covering(matrix) == pytest.approx(plain_covering(labels, mask))


@given(maps, st.sampled_from(["pixels", "iou", "majority", "random"]), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_class_scores_are_the_plain_ones(pair, how, seed):
    labels, mask = pair
    matrix = confusion(labels, mask, 4, 4)
    if how == "majority":
        mapping = majority(matrix)
    elif how == "random":
        mapping = np.random.default_rng(seed).integers(-1, 4, 4)
    else:
        mapping = hungarian(matrix, on=how)
    if not matrix.total:
        assert np.isnan(miou(matrix, mapping))
        assert np.isnan(accuracy(matrix, mapping))
        assert np.isnan(frequency_weighted_iou(matrix, mapping))
        return
    expected = class_scores(*mapped(labels, mask, mapping), 4)
    found = [None if np.isnan(v) else v for v in per_class_iou(matrix, mapping)]
    assert found == pytest.approx(expected["iou"])
    assert miou(matrix, mapping) == pytest.approx(expected["miou"])
    assert accuracy(matrix, mapping) == pytest.approx(expected["accuracy"])
    assert frequency_weighted_iou(matrix, mapping) == pytest.approx(expected["weighted"])


@given(maps, st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_agrees_with_scikit_learn(pair, seed):
    labels, mask = pair
    matrix = confusion(labels, mask, 4, 4)
    if not matrix.total:
        return
    mapping = np.random.default_rng(seed).integers(-1, 4, 4)
    predicted, true = mapped(labels, mask, mapping)
    present = sorted(set(true))
    options = {"labels": present, "zero_division": 0.0}
    assert accuracy(matrix, mapping) == pytest.approx(accuracy_score(true, predicted))
    assert miou(matrix, mapping) == pytest.approx(
        jaccard_score(true, predicted, average="macro", **options)
    )
    assert frequency_weighted_iou(matrix, mapping) == pytest.approx(
        jaccard_score(true, predicted, average="weighted", **options)
    )


@given(maps)
@settings(max_examples=40, deadline=None)
def test_no_labelled_pixel_is_lost_when_rows_become_classes(pair):
    matrix = confusion(*pair, 4, 4)
    merged = class_confusion(matrix, np.array([2, -1, 2, -1]))
    np.testing.assert_array_equal(merged.true, matrix.true)


def test_cluster_without_a_class_counts_as_wrong():
    labels = np.array([0, 0, 1, 1, 2, 2, 2, 2])
    mask = np.array([0, 0, 1, 1, 1, 1, 0, 0])
    matrix = confusion(labels, mask)
    mapping = hungarian(matrix)
    assert sorted(mapping.tolist()) == [-1, 0, 1]
    # Dropping the cluster's row would give 4 of 4; the truth is 4 of 8.
    assert accuracy(matrix, mapping) == 0.5
    assert miou(matrix, mapping) == 0.5


def test_void_predictions_count_as_wrong():
    matrix = confusion(np.array([0, 0, VOID, VOID]), np.array([0, 0, 0, 1]))
    mapping = hungarian(matrix)
    assert accuracy(matrix, mapping) == 0.5
    np.testing.assert_allclose(per_class_iou(matrix, mapping), [2 / 3, 0.0])
    assert matched_iou(matrix) == pytest.approx(2 / 3 / 2)
    assert covering(matrix) == pytest.approx(2 / 3 * 3 / 4)


def test_absent_class_has_no_score_and_does_not_lower_the_mean():
    matrix = confusion(np.array([0, 0, 2, 1]), np.array([0, 0, 0, 1]), 3, 4)
    mapping = np.array([0, 1, 2])
    assert np.isnan(per_class_iou(matrix, mapping)[2:]).all()
    assert miou(matrix, mapping) == pytest.approx((2 / 3 + 1) / 2)


def test_one_segment_may_cover_two_regions_but_match_only_one():
    labels = np.zeros(4, int)
    mask = np.array([0, 0, 0, 1])
    matrix = confusion(labels, mask)
    assert matched_iou(matrix) == pytest.approx(0.75 / 2)
    assert covering(matrix) == pytest.approx(0.75 * 0.75 + 0.25 * 0.25)


def test_mapping_of_another_length_is_refused():
    with pytest.raises(ValueError, match="each of the 2 clusters"):
        miou(confusion(np.array([0, 1]), np.array([0, 1])), np.array([0]))
