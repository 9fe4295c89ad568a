import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.concepts.assignment import upsample_assignment
from acseg.model import tile_drawing as draw_module
from acseg.model.tile_drawing import Meter, draw_bands
from acseg.model.tile_layout import Layout, lay_tiles, ramp
from acseg.model.tile_scores import BlendedScores
from acseg.output.palette import VOID
from acseg.output.segments import find_segments


def filled(layout: Layout, maps: dict[tuple[int, int], np.ndarray], k: int) -> BlendedScores:
    scores = BlendedScores(layout, k)
    for tile in layout.tiles():
        scores.add(tile.row, tile.column, maps[tile.row, tile.column])
    scores.finish()
    return scores


def random_maps(layout: Layout, k: int, seed: int) -> dict[tuple[int, int], np.ndarray]:
    random = np.random.default_rng(seed)
    shape = layout.high, layout.wide, k
    return {(t.row, t.column): random.random(shape, np.float32) for t in layout.tiles()}


layouts = st.builds(
    lay_tiles, st.integers(20, 130), st.integers(20, 130), tile=st.integers(16, 60),
    cells=st.integers(2, 12),
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(layouts, st.integers(1, 4), st.integers(0, 9))
def test_overlapping_scores_are_the_weighted_mean(layout: Layout, k: int, seed: int) -> None:
    maps = random_maps(layout, k, seed)
    total = np.zeros((layout.rows, layout.columns, k))
    weight = np.zeros((layout.rows, layout.columns, 1))
    one = np.outer(ramp(layout.high, layout.overlap), ramp(layout.wide, layout.overlap))[..., None]
    for (row, column), map_ in maps.items():
        total[row : row + layout.high, column : column + layout.wide] += map_ * one
        weight[row : row + layout.high, column : column + layout.wide] += one
    wanted = total / weight
    with filled(layout, maps, k) as scores:
        np.testing.assert_allclose(scores.rows(0, layout.rows), wanted, rtol=2e-5)
        middle = layout.rows // 2
        np.testing.assert_allclose(scores.rows(middle, layout.rows), wanted[middle:], rtol=2e-5)
        assert scores.owned.sum() == layout.rows * layout.columns
    with pytest.raises(ValueError, match="closed"):
        scores.rows(0, 1)


def test_tiles_that_agree_change_nothing() -> None:
    """Whatever the tiles, blending one grid of scores gives that grid: there is no seam."""
    layout = lay_tiles(96, 132, tile=32, cells=8)
    whole = np.random.default_rng(0).random((layout.rows, layout.columns, 3), np.float32)
    maps = {
        (t.row, t.column): whole[t.row : t.row + 8, t.column : t.column + 8] for t in layout.tiles()
    }
    with filled(layout, maps, 3) as scores:
        np.testing.assert_allclose(scores.rows(0, layout.rows), whole, rtol=2e-6)


def test_tiles_out_of_order_or_of_another_shape_are_refused() -> None:
    layout = lay_tiles(96, 96, tile=32, cells=8)
    with BlendedScores(layout, 2) as scores:
        scores.add(6, 0, np.zeros((8, 8, 2), np.float32))
        for row, shape in ((0, (8, 8, 2)), (12, (8, 8, 3))):
            with pytest.raises(ValueError, match=r"expected scores \(8, 8, 2\) from row 6 on"):
                scores.add(row, 0, np.zeros(shape, np.float32))


@settings(deadline=None, max_examples=40)
@given(layouts, st.integers(0, 9), st.integers(1, 500))
def test_bands_give_the_labels_of_the_whole(layout: Layout, seed: int, band: int) -> None:
    maps = random_maps(layout, 3, seed)
    with filled(layout, maps, 3) as scores, pytest.MonkeyPatch.context() as patch:
        patch.setattr(draw_module, "BAND", band)
        owners = np.flatnonzero(scores.owned).tolist()
        drawn = np.zeros((layout.height, layout.width), np.uint8)
        for top, places in draw_bands(scores, owners):
            drawn[top : top + len(places)] = places
        grid = torch.from_numpy(scores.rows(0, layout.rows)).flatten(0, 1)
        size = (layout.height, layout.width)
        labels, kept = upsample_assignment(grid, (layout.rows, layout.columns), size)
        wanted = np.searchsorted(owners, kept.numpy())[labels.numpy()]
    assert (drawn != wanted).mean() < 0.01  # ties of single pixels, by rounding


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.integers(0, 5))
def test_the_meter_measures_bands_as_the_whole(
    height: int, width: int, band: int, seed: int
) -> None:
    labels = np.random.default_rng(seed).choice([0, 1, 7, 254, VOID], (height, width))
    labels = labels.astype(np.uint8)
    meter = Meter(height, width, (min(height, 5), min(width, 6)))
    for top in range(0, height, band):
        meter.add(top, labels[top : top + band])
    assert meter.segments({7: 0.5}, {1: "road"}) == find_segments(labels, {7: 0.5}, {1: "road"})
    assert meter.found == [n for n in np.unique(labels).tolist() if n != VOID]
    lines = ((np.arange(min(height, 5)) + 0.5) * height / min(height, 5)).astype(int)
    columns = ((np.arange(min(width, 6)) + 0.5) * width / min(width, 6)).astype(int)
    np.testing.assert_array_equal(meter.small, labels[np.ix_(lines, columns)])
