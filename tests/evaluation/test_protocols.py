import json

import numpy as np
import pytest

from acseg.errors import DataError
from acseg.evaluation.protocols import evaluate_collection, evaluate_images, evaluate_overcluster

VOID = 255

# Two images of two classes. The clusters 0 and 1 are swapped in the second one.
MASK = np.array([[0, 0, 1, 1], [0, 0, 1, 1]])
STEADY = ("steady", MASK, MASK)
SWAPPED = ("swapped", 1 - MASK, MASK)
PART = ("part", np.array([[0, 0, 0, 1], [0, 0, 0, 1]]), MASK)


def test_collection_matches_once_over_the_set():
    result = evaluate_collection([STEADY, STEADY, SWAPPED])
    assert result.protocol == "collection"
    assert result.accuracy == pytest.approx(2 / 3)
    assert result.miou == pytest.approx(0.5)  # 8 of 16 in each class
    assert result.images == 3
    assert result.pixels == 24


def test_images_match_anew_in_each():
    result = evaluate_images([STEADY, SWAPPED, PART])
    part = (4 / 6 + 2 / 4) / 2
    assert result.protocol == "image"
    assert [row.miou for row in result.per_image] == pytest.approx([1, 1, part])
    assert result.miou == pytest.approx((2 + part) / 3)
    assert result.covering == pytest.approx((2 + part) / 3)
    assert (result.mean_classes, result.mean_clusters) == (2, 2)


def test_collection_is_not_the_mean_of_the_images():
    # Class 1 is a sliver of the first image and all of the second.
    one = ("one", np.zeros((1, 10), int), np.array([[0] * 9 + [1]]))
    two = ("two", np.ones((1, 10), int), np.ones((1, 10), int))
    assert evaluate_collection([one, two]).miou == pytest.approx((9 / 10 + 10 / 11) / 2)
    assert evaluate_images([one, two]).miou == pytest.approx((0.9 / 2 + 1) / 2)


def test_overcluster_gives_several_clusters_one_class():
    labels = np.array([[0, 1, 2, 3], [0, 1, 2, 3]])
    both = [("fine", labels, MASK)]
    assert evaluate_overcluster(both).accuracy == 1.0
    assert evaluate_overcluster(both).match == "majority"
    assert evaluate_collection(both).accuracy == 0.5
    assert evaluate_collection(both).mapping.count(-1) == 2


def test_overcluster_takes_a_vote_from_elsewhere():
    result = evaluate_overcluster([STEADY], mapping=np.array([1, 1]))
    assert result.match == "given"
    assert result.accuracy == 0.5
    assert result.class_iou == [0.0, 0.5]


def test_a_vote_for_a_class_that_is_not_here_is_wrong():
    result = evaluate_overcluster([STEADY], mapping=np.array([0, 4, -1]))
    assert result.class_iou == [1.0, 0.0, None, None, None]
    assert result.accuracy == 0.5
    with pytest.raises(DataError, match=r"steady: labels: holds 1; expected 0 .. 0"):
        evaluate_overcluster([STEADY], mapping=np.array([0]))


def test_a_void_prediction_is_wrong_and_void_truth_is_nothing():
    mask = np.array([[0, 0, VOID, VOID]])
    labels = np.array([[0, VOID, 1, 2]])
    result = evaluate_collection([("holes", labels, mask)])
    assert result.accuracy == 0.5
    assert result.miou == 0.5
    image = evaluate_images([("holes", labels, mask)])
    assert image.miou == 0.5
    assert image.mean_clusters == 1


def test_absent_classes_are_named_and_left_out():
    result = evaluate_collection([STEADY], n_true=4, classes=["sky", "road", "tree"])
    assert result.miou == 1.0
    assert result.classes == ["sky", "road", "tree", "3"]
    assert result.left_out == ["tree", "3"]
    assert result.class_iou == [1.0, 1.0, None, None]
    assert "not in any mask" in result.table()
    assert "tree, 3" in result.table()


def test_unmatched_clusters_are_said_in_the_table():
    labels = np.array([[0, 0, 1, 2], [0, 0, 1, 2]])
    table = evaluate_collection([("a", labels, MASK)]).table()
    assert table.startswith("P1 collection")
    assert "1 without a class" in table


def test_image_without_a_labelled_pixel_is_listed():
    empty = ("empty", MASK, np.full(MASK.shape, VOID))
    result = evaluate_images([empty, STEADY])
    assert result.images == 1
    assert [failure.path for failure in result.failed] == ["empty"]
    assert "empty: no labelled pixel" in result.table()


def test_records_are_json_with_the_protocol():
    for result in (evaluate_collection([STEADY], n_true=3), evaluate_images([STEADY])):
        record = json.loads(result.to_json())
        assert record == result.to_dict()
        assert record["protocol"] == result.protocol
        assert record["miou"] == 1.0


@pytest.mark.parametrize("evaluate", [evaluate_collection, evaluate_overcluster, evaluate_images])
def test_what_cannot_be_scored_is_named(evaluate):
    with pytest.raises(DataError, match="nothing to score"):
        evaluate([])
    with pytest.raises(DataError, match="odd: labels are 3 x 2, the mask is 4 x 2"):
        evaluate([("odd", MASK[:, :3], MASK)])


def test_order_of_the_images_does_not_matter():
    pairs = [STEADY, SWAPPED, PART, STEADY]
    assert evaluate_collection(pairs).miou == evaluate_collection(pairs[::-1]).miou


def test_generators_are_read_once():
    assert evaluate_collection(pair for pair in [STEADY]).miou == 1.0
