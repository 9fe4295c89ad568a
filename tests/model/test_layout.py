import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.model.tile_layout import lay_tiles, ramp, starts, total_weight

sizes = st.integers(1, 3000)


@settings(deadline=None)
@given(sizes, sizes, st.integers(8, 400), st.integers(1, 40), st.integers(1, 4))
def test_tiles_lie_in_the_picture_and_cover_it(
    height: int, width: int, tile: int, cells: int, multiple: int
) -> None:
    cells *= multiple
    layout = lay_tiles(height, width, tile=tile, cells=cells, multiple=multiple)
    assert layout.rows % multiple == layout.columns % multiple == 0
    rows, columns = np.zeros(layout.rows, int), np.zeros(layout.columns, int)
    for row in layout.tops:
        rows[row : row + layout.high] += 1
    for column in layout.lefts:
        columns[column : column + layout.wide] += 1
    assert rows.min() >= 1
    assert columns.min() >= 1
    for row in (layout.tops[0], layout.tops[-1]):
        top, left, high, wide = layout.window(row, layout.lefts[-1])
        assert top >= 0
        assert left >= 0
        assert top + high <= height
        assert left + wide <= width
        assert min(high, wide) >= 1
    assert len(list(layout.tiles())) == len(layout.tops) * len(layout.lefts)


def test_a_tile_has_its_size_and_its_overlap() -> None:
    layout = lay_tiles(20_000, 20_000, tile=640, cells=40)
    assert (layout.rows, layout.columns) == (1250, 1250)
    assert layout.window(0, 0) == (0, 0, 640, 640)
    assert layout.tops[:3] == [0, 30, 60]
    assert layout.tops[-1] == 1210


def test_a_picture_smaller_than_a_tile_is_one_tile() -> None:
    layout = lay_tiles(100, 900, tile=640, cells=40, multiple=2)
    assert (layout.high, layout.wide) == (6, 40)
    assert layout.tops == [0]
    assert [tile.window[0] for tile in layout.tiles()] == [0] * len(layout.lefts)


@pytest.mark.parametrize("wrong", [{"tile": 0}, {"cells": 0}, {"overlap": 0.6}, {"multiple": 0}])
def test_wrong_sizes_are_quoted(wrong: dict) -> None:
    with pytest.raises(ValueError, match="expected sizes"):
        lay_tiles(100, 100, **({"tile": 10, "cells": 5} | wrong))


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 50), st.integers(0, 25))
def test_weights_are_positive_and_add_up(length: int, tile: int, overlap: int) -> None:
    tile, overlap = min(tile, length), min(overlap, tile // 2)
    total = total_weight(length, tile, overlap)
    assert total.shape == (length,)
    assert total.min() > 0
    one = ramp(tile, overlap)
    assert one.max() <= 1
    np.testing.assert_array_equal(one, one[::-1])
    assert total.sum() == pytest.approx(one.sum() * len(starts(length, tile, overlap)), rel=1e-4)


def test_neighbours_hand_over_evenly() -> None:
    """Where two tiles overlap by what they should, their weights sum to one."""
    np.testing.assert_allclose(total_weight(100, 40, 10)[10:70], 1, rtol=1e-6)
