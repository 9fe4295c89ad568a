"""What a model draws after its classes were named, merged and dropped."""

from pathlib import Path

import numpy as np
import pytest

from acseg import ACSeg
from acseg.errors import DataError
from acseg.model.segmentation import Segmentation


@pytest.fixture
def model(tiny_run: Path) -> ACSeg:
    return ACSeg.load(tiny_run, device="cpu", precision="float32")


def drawn(model: ACSeg, folder: Path) -> list[Segmentation]:
    return model.predict([folder / f"{n}.png" for n in range(6)])


@pytest.mark.parametrize(
    ("merge", "drop", "table"),
    [
        ([(1, 2)], [], [0, 1, 1]),
        ([(2, 1)], [], [0, 2, 2]),
        ([(0, 2)], [], [0, 1, 0]),
        ([], [0], [255, 1, 2]),
        ([(1, 2)], [1], [0, 255, 255]),
    ],
)
def test_labels_are_those_before_with_other_ids(model, photos, tmp_path, merge, drop, table):
    folder = photos(tmp_path, [f"{n}.png" for n in range(6)])
    before = drawn(model, folder)
    model.name({1: "first"} if table[1] == 1 else {}, merge=merge, drop=drop)
    after = drawn(model, folder)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new.labels, np.array(table)[old.labels])
        sure = {s.id: s.confidence for s in old.segments}
        for segment in new.segments:
            assert segment.name == ("first" if segment.id == 1 else None)
            if segment.id == 0:
                assert segment.confidence is None
            elif sure.get(segment.id) is not None and table.count(segment.id) == 1:
                assert segment.confidence is not None
            elif segment.confidence is not None:  # merged: its parts compete no more
                assert segment.confidence >= min(c for c in sure.values() if c is not None) - 1e-3
    assert model.class_ids == sorted({c for c in table if c != 255})


def test_what_was_saved_is_drawn_again(model, photos, tmp_path) -> None:
    folder = photos(tmp_path / "p", [f"{n}.png" for n in range(6)])
    model.name({2: "sky"}, drop=[1]).save(tmp_path / "run")
    again = ACSeg.load(tmp_path / "run", device="cpu", precision="float32")
    for one, two in zip(drawn(model, folder), drawn(again, folder), strict=True):
        np.testing.assert_array_equal(one.labels, two.labels)
        assert one.segments == two.segments


def test_names_and_merges_of_old_classes_do_not_outlive_a_fit(tiny_settings, photos, tmp_path):
    folder = photos(tmp_path, [f"{n}.png" for n in range(6)])
    model = ACSeg(**tiny_settings).fit(folder).name({1: "old"}, merge=[(1, 2)])
    model.fit(folder)
    assert (model.names_, model.becomes_, model.class_ids) == ({}, {}, [0, 1, 2])


def test_what_cannot_be_changes_nothing(model) -> None:
    with pytest.raises(DataError, match="no class 9"):
        model.name({1: "x", 9: "y"}, drop=[2])
    assert (model.names_, model.becomes_) == ({}, {})
