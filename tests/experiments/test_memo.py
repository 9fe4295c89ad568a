from dataclasses import dataclass

import numpy as np
import torch

from acseg.experiments.memo import SMALL, Memo, size_of


def test_a_value_is_computed_once() -> None:
    memo, asked = Memo(), []
    for key in ("a", "b", "a", "a"):
        assert memo.get(key, lambda key=key: asked.append(key) or key * 2) == key * 2  # type: ignore[misc]
    assert asked == ["a", "b"]


def test_beyond_the_bound_it_is_computed_again_and_what_is_kept_stays() -> None:
    memo, asked = Memo(100), []

    def of(key: str, size: int) -> np.ndarray:
        asked.append(key)
        return np.zeros(size, np.uint8)

    for key, size in (("a", 60), ("b", 60), ("c", 40), ("a", 60), ("b", 60), ("c", 40)):
        assert len(memo.get(key, lambda key=key, size=size: of(key, size))) == size  # type: ignore[misc]
        assert memo.size <= 100
    assert asked == ["a", "b", "c", "b"]


def test_none_and_nothing_are_values_too() -> None:
    memo, asked = Memo(), []
    for _ in range(2):
        assert memo.get("a", lambda: asked.append(1)) is None
    assert asked == [1]


def test_without_room_nothing_is_kept() -> None:
    memo = Memo(0)
    assert [memo.get("a", lambda v=v: v) for v in (1, 2)] == [1, 2]  # type: ignore[misc]


@dataclass
class Record:
    pixels: torch.Tensor
    grid: tuple[int, int]
    more: dict[str, np.ndarray]


def test_sizes_are_those_of_the_arrays() -> None:
    pixels = torch.zeros(3, 5)
    assert size_of(pixels) == 60
    assert size_of(pixels[:1]) == 60  # a part keeps the whole
    record = Record(pixels, (1, 2), {"a": np.zeros(7, np.float64)})
    assert size_of(record) == 60 + 2 * SMALL + 56
    assert size_of([record, record]) == 2 * size_of(record)
    assert size_of(torch.nn.Linear(4, 2)) == 4 * (8 + 2)
