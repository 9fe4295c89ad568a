import json
from pathlib import Path

import numpy as np
import pytest

from acseg.errors import DataError
from acseg.training.store import Store

KEY = {"files": "abc", "side": 224}


def test_rows_stay_when_the_store_is_opened_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "pixels", (4, 2, 3), np.float16, KEY)
    assert store.missing().tolist() == [0, 1, 2, 3]
    store.put(2, np.full((2, 3), 0.5))
    store.put(0, [[1, 2, 3], [4, 5, 6]])
    del store
    again = Store(tmp_path / "deep" / "pixels", (4, 2, 3), np.float16, KEY)
    assert again.present().tolist() == [0, 2]
    assert again.missing().tolist() == [1, 3]
    assert again.rows.dtype == np.float16
    np.testing.assert_array_equal(again.rows[0], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(again.rows[2], np.full((2, 3), 0.5))


@pytest.mark.parametrize(
    ("shape", "dtype", "key"),
    [
        ((4, 2), np.float16, {**KEY, "side": 448}),
        ((5, 2), np.float16, KEY),
        ((4, 3), np.float16, KEY),
        ((4, 2), np.float32, KEY),
    ],
)
def test_a_store_of_something_else_is_made_anew(
    tmp_path: Path, shape: tuple[int, ...], dtype: type, key: dict
) -> None:
    Store(tmp_path / "s", (4, 2), np.float16, KEY).put(1, [1, 1])
    store = Store(tmp_path / "s", shape, dtype, key)
    assert len(store.present()) == 0
    assert store.rows.shape == shape
    assert store.rows.dtype == dtype
    assert not store.rows.any()


@pytest.mark.parametrize("name", ["s.json", "s.npy", "s.filled.npy"])
@pytest.mark.parametrize("cut", ["missing", "short", "garbage"])
def test_a_broken_store_is_made_anew(tmp_path: Path, name: str, cut: str) -> None:
    Store(tmp_path / "s", (4, 2), np.float16, KEY).put(1, [1, 1])
    path = tmp_path / name
    if cut == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-3] if cut == "short" else b"\xff" * 200)
    store = Store(tmp_path / "s", (4, 2), np.float16, KEY)
    assert store.missing().tolist() == [0, 1, 2, 3]
    store.put(3, [2, 2])
    assert json.loads((tmp_path / "s.json").read_text())["key"] == KEY


def test_a_row_that_was_written_but_not_marked_counts_as_missing(tmp_path: Path) -> None:
    store = Store(tmp_path / "s", (3, 2), np.float16, KEY)
    store.put(0, [1, 1])
    store.rows[1] = 9  # killed between the row and its mark
    del store
    again = Store(tmp_path / "s", (3, 2), np.float16, KEY)
    assert again.missing().tolist() == [1, 2]
    again.put(1, [3, 3])
    np.testing.assert_array_equal(again.rows[1], [3, 3])


@pytest.mark.parametrize("row", [np.zeros(3), np.zeros((1, 2)), 1.0])
def test_a_row_of_another_shape_is_refused_and_not_marked(tmp_path: Path, row: object) -> None:
    store = Store(tmp_path / "s", (3, 2), np.float16, KEY)
    with pytest.raises(DataError, match=r"row 1: expected shape \(2,\)"):
        store.put(1, row)
    assert len(store.present()) == 0
