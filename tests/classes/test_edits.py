from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acseg.classes.edits import Edits, edit
from acseg.classes.ids import VOID, drawn_ids
from acseg.errors import AcsegError, DataError, ModelError
from acseg.model.folder import ModelFolder, edits_of, write_model_folder
from acseg.model.settings import Settings


def test_names_are_given_and_taken() -> None:
    edits = Edits(5, True).rename(3, "  dirt \n road ")
    assert edits.names == {3: "dirt road"}
    assert edits.all_names == {0: "background", 3: "dirt road"}
    assert edits.rename(3, " ").names == {}
    assert edits.rename(0, "sky").all_names[0] == "sky"


def test_a_merge_draws_all_as_the_first_and_follows_later_ones() -> None:
    edits = Edits(9, True).merge(4, 7).merge(2, 4, 8)
    assert edits.becomes == {7: 2, 4: 2, 8: 2}
    assert edits.drawn == [0, 1, 2, 3, 5, 6]
    assert edits.nameable == [1, 2, 3, 5, 6]
    assert Edits(9, False).nameable == list(range(9))


def test_a_merged_class_keeps_its_name_or_takes_one() -> None:
    edits = Edits(9, True, {4: "road", 7: "street"})
    assert edits.merge(4, 7).names[4] == "road"
    assert edits.merge(5, 7).names == {4: "road", 7: "street", 5: "street"}
    assert edits.merge(0, 7).all_names[0] == "background"


def test_a_drop_takes_all_that_were_merged_along() -> None:
    edits = Edits(9, True).merge(4, 7).drop(4)
    assert edits.becomes == {7: VOID, 4: VOID}
    assert edits.split(7).becomes == {4: VOID}
    assert edits.reset() == Edits(9, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e.rename(5, "x"), "no class 5; the classes are 0 to 4"),
        (lambda e: e.rename(-1, ""), "no class -1"),
        (lambda e: e.rename(2, "x"), "class 2 is merged into 1; `acseg classes split MODEL 2`"),
        (lambda e: e.merge(1, 9), "no class 9"),
        (lambda e: e.merge(2, 4), "class 2 is merged into 1"),
        (lambda e: e.merge(4, 3), "class 3 is dropped; `acseg classes split MODEL 3`"),
        (lambda e: e.merge(4, 4), "cannot be merged with itself"),
        (lambda e: e.merge(4, 0), "merge 0 4 makes class 4 background"),
        (lambda e: e.drop(3), "class 3 is dropped"),
        (lambda e: e.split(1), "neither merged nor dropped"),
    ],
)
def test_what_cannot_be_is_said(change, words: str) -> None:
    with pytest.raises(DataError, match=words):
        change(Edits(5, True, {}, {2: 1, 3: VOID}))


steps = st.tuples(st.sampled_from(["merge", "drop", "split"]), st.integers(0, 5), st.integers(0, 5))


@given(st.lists(steps, max_size=12))
def test_whatever_is_done_the_table_is_one_step_deep_and_can_be_kept(tasks) -> None:
    edits = Edits(6, True)
    for what, first, second in tasks:
        arguments = (first, second) if what == "merge" else (first,)
        try:
            edits = getattr(edits, what)(*arguments)
        except AcsegError:
            continue
        table = drawn_ids(edits.becomes)
        np.testing.assert_array_equal(table[table], table)
        assert sorted({int(c) for c in table[:6]} - {VOID}) == edits.drawn
        assert table[0] in (0, VOID)


def test_edits_come_in_an_order_that_makes_sense() -> None:
    before = Edits(9, True, {}, {5: VOID})
    found = edit(before, {4: "road"}, merge=[(4, 7), (4, 5)], drop=[8], split=[5])
    assert found.becomes == {7: 4, 5: 4, 8: VOID}
    assert found.names == {4: "road"}


def test_a_model_gives_its_edits(tmp_path: Path) -> None:
    settings, centres = Settings(), np.eye(4, dtype=np.float32)
    for foreground, count in (("mean", 5), ("none", 4)):
        found = ModelFolder(settings, None, centres, foreground, {1: "a"}, {2: 1})
        write_model_folder(tmp_path, found)
        assert edits_of(tmp_path) == Edits(count, count == 5, {1: "a"}, {2: 1})
    write_model_folder(tmp_path, ModelFolder(settings))
    with pytest.raises(ModelError, match="no classes"):
        edits_of(tmp_path)
