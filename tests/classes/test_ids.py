import numpy as np
import pytest

from acseg.classes.ids import VOID, class_count, class_ids, cluster_count, drawn_ids, paint


def test_background_takes_class_0():
    clusters, foreground = np.array([2, 0, 1]), np.array([True, False, True])
    assert class_ids(clusters, foreground).tolist() == [3, 0, 2]
    assert class_ids(clusters).tolist() == [2, 0, 1]
    with pytest.raises(ValueError, match="agree"):
        class_ids(clusters, foreground[:2])


def test_counts_go_there_and_back():
    assert cluster_count(21, background=True) == 20
    assert cluster_count(27, background=False) == 27
    for background in (True, False):
        assert class_count(cluster_count(5, background=background), background=background) == 5
    with pytest.raises(ValueError, match="at least 2"):
        cluster_count(1, background=True)


def test_paint_looks_up_each_region():
    labels = np.array([[0, 1, 2], [2, 255, -1]])
    painted = paint(labels, [5, 0, 254])
    assert painted.dtype == np.uint8
    assert painted.tolist() == [[5, 0, 254], [254, VOID, VOID]]
    assert paint(labels, np.zeros(0, dtype=int)).tolist() == [[VOID] * 3] * 2
    for bad in (256, -1):
        with pytest.raises(ValueError, match="class ids"):
            paint(labels, [bad])


def test_what_is_drawn_is_the_class_itself_or_what_it_became():
    table = drawn_ids({7: 4, 9: VOID})
    assert table.shape == (256,)
    assert table[[4, 7, 9, VOID]].tolist() == [4, 4, VOID, VOID]
    rest = np.setdiff1d(np.arange(256), [7, 9])
    np.testing.assert_array_equal(table[rest], rest)
