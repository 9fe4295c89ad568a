import errno
import os
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


@pytest.mark.parametrize("cut", ["short", "long", "garbage", "empty", "version", "header"])
def test_a_broken_store_is_made_anew_and_refused_by_open(tmp_path: Path, cut: str) -> None:
    Store(tmp_path / "s", (4, 2), np.float16, KEY).put(1, [1, 1])
    path = tmp_path / "s.store"
    data = path.read_bytes()
    broken, reason = {
        "short": (data[:-3], "cut short or grown: .* bytes, expected"),
        "long": (data + b"x", "cut short or grown"),
        "garbage": (b"\xff" * 200, "not a store"),
        "empty": (b"", "not a store"),
        "version": (data.replace(b"store 1", b"store 7", 1), "version 7, expected 1"),
        "header": (data.replace(b'"key"', b'"k', 1), "header is broken"),
    }[cut]
    path.write_bytes(broken)
    with pytest.raises(DataError, match=f"s.store: .*{reason}.*delete it"):
        Store.open(tmp_path / "s")
    store = Store(tmp_path / "s", (4, 2), np.float16, KEY)
    assert store.missing().tolist() == [0, 1, 2, 3]
    assert not store.rows.any()
    store.put(3, [2, 2])
    assert Store.open(path, key=KEY).present().tolist() == [3]
    assert [p.name for p in tmp_path.iterdir()] == ["s.store"]


def test_open_reads_and_says_what_differs(tmp_path: Path) -> None:
    Store(tmp_path / "s", (4, 2), np.float16, KEY).put(1, [1, 1])
    store = Store.open(tmp_path / "s.store", key={"side": 224, "files": "abc"})
    np.testing.assert_array_equal(store.rows[1], [1, 1])
    with pytest.raises(ValueError, match="read-only"):
        store.put(2, [1, 1])
    with pytest.raises(DataError, match="made with side = 224, expected 448"):
        Store.open(tmp_path / "s", key=KEY | {"side": 448})
    with pytest.raises(DataError, match="made with block = None, expected 3"):
        Store.open(tmp_path / "s", key=KEY | {"block": 3})
    with pytest.raises(DataError, match=r"other.store: there is no such file"):
        Store.open(tmp_path / "other")


def test_a_long_key_and_many_rows_keep_their_places(tmp_path: Path) -> None:
    key = {"files": ["\u00e4" * 3000, "b" * 5000]}
    store = Store(tmp_path / "s", (130, 3), np.float32, key)
    random = np.random.default_rng(0).random((130, 3), dtype=np.float32)
    for index, row in enumerate(random):
        store.put(index, row)
    del store
    again = Store(tmp_path / "s", (130, 3), np.float32, key)
    np.testing.assert_array_equal(again.rows, random)
    assert again.filled.tolist() == [1] * 130
    assert again.rows.offset % 64 == 0


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(DataError, match=r"cannot make .*s.store of .* GB: No space left.*cache_g"):
        Store(tmp_path / "s", (4, 2), np.float16, KEY)
    assert list(tmp_path.iterdir()) == []


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
