from dataclasses import replace

import numpy as np
import pytest

from acseg.classes.edits import Edits
from acseg.errors import DataError
from acseg.output.records import read_classes, read_records, write_classes, write_records
from acseg.text.views import (
    MARGIN,
    SIDE,
    View,
    cut_view,
    views_from_output,
)


def test_a_view_is_a_square_around_the_region() -> None:
    picture = np.arange(100 * 200 * 3, dtype=np.uint32).reshape(100, 200, 3).astype(np.uint8)
    inside = np.zeros((100, 200), dtype=bool)
    inside[40:60, 50:60] = True
    view = cut_view(picture, inside, (50, 40, 10, 20))
    side = round(20 * (1 + 2 * MARGIN))
    assert view.picture.shape == (side, side, 3)
    assert view.inside.sum() == 200
    np.testing.assert_array_equal(view.picture, picture[38:62, 43:67])


@pytest.mark.parametrize("box", [(0, 0, 10, 10), (190, 90, 10, 10), (0, 0, 200, 100)])
def test_a_view_stays_inside_the_picture(box) -> None:
    left, top, width, height = box
    inside = np.zeros((100, 200), dtype=bool)
    inside[top : top + height, left : left + width] = True
    view = cut_view(np.zeros((100, 200, 3), np.uint8), inside, box)
    assert view.inside.shape == view.picture.shape[:2]
    assert view.inside.shape[0] == view.inside.shape[1] <= 200
    assert view.inside.any()


def test_large_regions_are_kept_small_and_thin_ones_are_not_lost() -> None:
    inside = np.zeros((900, 900), dtype=bool)
    inside[450, :] = True
    view = cut_view(np.zeros((900, 900, 3), np.uint8), inside, (0, 450, 900, 1))
    assert view.inside.shape == (SIDE, SIDE)
    assert view.inside.any(axis=1).sum() == 1
    assert view.resized(8).inside.any()
    nothing = View(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool))
    assert not nothing.resized(4).inside.any()


def test_exemplars_become_views_of_their_class(made) -> None:
    views, failed = views_from_output(made.out, Edits(4, False))
    assert failed == []
    assert {c: len(own) for c, own in views.items()} == {0: 1, 1: 2, 2: 2, 3: 1}
    blue = [view.picture[view.inside].mean(axis=0) for view in views[2]]
    np.testing.assert_allclose(blue, [(30, 60, 210)] * 2, atol=3)


def test_exemplars_of_merged_and_dropped_classes_count_for_what_they_became(made) -> None:
    views, _ = views_from_output(made.out, Edits(4, False, {}, {1: 0, 3: 255}))
    assert {c: len(own) for c, own in views.items()} == {0: 3, 2: 2, 255: 1}


def test_photographs_that_are_gone_are_named_and_the_others_used(made) -> None:
    (made.out / "../photos/1.png").unlink()
    (made.out / "labels/2.png").write_bytes(b"no label map")
    views, failed = views_from_output(made.out, Edits(4, False))
    assert {c: len(own) for c, own in views.items()} == {0: 1, 1: 1}
    assert [path for path, _ in failed] == ["1.png", "2.png"]
    assert "not where its record says" in failed[0][1]


def test_a_record_without_its_photograph_says_so(made) -> None:
    path = made.out / "segments.jsonl"
    write_records(path, [replace(r, source=None) for r in read_records(path)])
    views, failed = views_from_output(made.out, Edits(4, False))
    assert views == {}
    assert "not where its record says" in failed[0][1]


def test_the_output_of_another_model_is_refused(made) -> None:
    with pytest.raises(DataError, match="another model"):
        views_from_output(made.out, Edits(3, False))
    with pytest.raises(DataError, match=r"classes\.json: no such file"):
        views_from_output(made.run / "state", Edits(3, False))


def test_an_exemplar_of_a_picture_that_failed_since_is_passed_over(made) -> None:
    path = made.out / "classes.json"
    write_classes(path, read_classes(path))
    records = read_records(made.out / "segments.jsonl")
    write_records(made.out / "segments.jsonl", records[:2])
    views, failed = views_from_output(made.out, Edits(4, False))
    assert failed == []
    assert {c: len(own) for c, own in views.items()} == {0: 1, 1: 2, 2: 1}
