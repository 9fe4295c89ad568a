import numpy as np
import pytest

from acseg.errors import DataError
from research.datasets import DATASETS, check_dataset, open_dataset
from research.datasets.base import read_ids, translate


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_empty_root_says_what_is_expected_and_from_whom(name, tmp_path):
    found = check_dataset(name, tmp_path)
    assert found.home is None
    assert not found.complete
    assert "not found" in found.table()
    assert f"it comes from {found.source}" in found.table()
    with pytest.raises(DataError, match=r"expected .*; it comes from"):
        open_dataset(name, tmp_path)


def test_wrong_names_are_answered_with_the_right_ones(put, tmp_path):
    with pytest.raises(DataError, match="'coco' is unknown; take one of voc, coco-stuff-27"):
        open_dataset("coco", tmp_path)
    put("images/a.jpg")
    put("masks/a.png", np.zeros((12, 16)))
    with pytest.raises(DataError, match="no split 'test'; take one of all"):
        open_dataset("folder", tmp_path, "test")
    with pytest.raises(DataError, match="crop 'half' is unknown; take one of full"):
        open_dataset("folder", tmp_path, crop="half")


def test_what_is_not_in_the_table_is_void():
    values = np.array([[0, 7], [9, 255]], np.uint8)
    assert translate(values, {7: 0, 9: 2}).tolist() == [[255, 0], [2, 255]]
    assert translate(np.array([[300]]), {1: 1}, void=9).tolist() == [[9]]


def test_lists_take_the_first_word_and_may_be_missing(tmp_path):
    (tmp_path / "list.txt").write_text("a b\n\n c\n")
    assert read_ids(tmp_path / "list.txt") == ["a", "c"]
    assert read_ids(tmp_path / "none.txt") == []
