import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.segmentation import felzenszwalb

from acseg.errors import DataError
from acseg.pretraining.regions import MAX_REGIONS, SCALES, _by_area, figure, oversegment


def patchwork(side: int, cell: int, seed: int = 0) -> np.ndarray:
    """Squares of one random colour each, (side, side, 3)."""
    cells = -(-side // cell)
    colours = np.random.default_rng(seed).integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    return np.kron(colours, np.ones((cell, cell, 1), np.uint8))[:side, :side]


def test_oversegment_gives_one_map_a_scale_with_ids_by_decreasing_area() -> None:
    maps = oversegment(patchwork(48, 12))
    assert maps.shape == (len(SCALES), 48, 48)
    assert maps.dtype == np.uint8
    for one in maps:
        areas = np.bincount(one.ravel())
        assert (areas > 0).all()
        assert (np.diff(areas[: MAX_REGIONS - 1]) <= 0).all()  # the last id gathers the rest
    assert maps[0].max() > 4  # the patches are told apart


def test_oversegment_caps_the_ids_and_keeps_the_largest_regions_whole() -> None:
    image = patchwork(80, 8)  # 100 patches
    whole = felzenszwalb(image, scale=50.0, sigma=0.8, min_size=16)
    assert whole.max() > MAX_REGIONS
    capped = oversegment(image, scales=(50.0,))[0]
    assert capped.max() == MAX_REGIONS - 1
    areas = np.sort(np.bincount(whole.ravel()))[::-1]
    for region in range(MAX_REGIONS - 1):  # each is exactly one region of felzenszwalb
        assert len(np.unique(whole[capped == region])) == 1
        assert (capped == region).sum() == areas[region]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=200))
def test_renumbering_by_area_keeps_the_partition(values: list[int]) -> None:
    labels = np.unique(values, return_inverse=True)[1]
    new = _by_area(labels)
    sizes = sorted(np.bincount(labels), reverse=True)
    kept = sizes[: MAX_REGIONS - 1]
    rest = sum(sizes[MAX_REGIONS - 1 :])
    assert np.bincount(new).tolist() == [*kept, rest] if rest else kept
    for region in range(min(len(kept), MAX_REGIONS - 1)):
        assert len(np.unique(labels[new == region])) == 1


@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_a_bright_disc_on_plain_ground_is_the_figure(size: tuple[int, int]) -> None:
    rows, columns = np.mgrid[: size[0], : size[1]]
    disc = (rows - size[0] / 2) ** 2 + (columns - size[1] / 2) ** 2 < (min(size) / 4) ** 2
    image = np.where(disc[..., None], [230, 220, 60], [40, 60, 50]).astype(np.uint8)
    score = figure(image)
    assert score.shape == size
    assert score.dtype == np.float32
    assert score.min() >= 0
    assert score.max() <= 1
    assert score[disc].mean() > score[~disc].mean() + 0.5


def test_a_dark_disc_on_bright_ground_is_the_figure_too() -> None:
    rows, columns = np.mgrid[:64, :64]
    disc = (rows - 32) ** 2 + (columns - 32) ** 2 < 15**2
    score = figure(np.where(disc[..., None], 20, 220).repeat(3, 2).astype(np.uint8))
    assert score[disc].mean() > score[~disc].mean() + 0.5


@pytest.mark.parametrize("shape", [(16, 16), (8, 8), (8, 40), (64, 64)])
@pytest.mark.parametrize("kind", ["black", "white", "noise"])
def test_plain_noisy_and_tiny_pictures_get_finite_scores_and_regions(
    shape: tuple[int, int], kind: str
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    image = {"black": noise * 0, "white": noise * 0 + 255, "noise": noise}[kind]
    score = figure(image)
    assert np.isfinite(score).all()
    assert score.min() >= 0
    assert score.max() <= 1
    if kind != "noise":
        assert score.max() < 1e-3  # nothing stands out
        assert not oversegment(image).any()  # one region
    assert oversegment(image).shape == (len(SCALES), *shape)


def test_without_scikit_image_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import importlib.util

    import acseg.pretraining.regions as real

    monkeypatch.setitem(sys.modules, "skimage.color", None)
    spec = importlib.util.spec_from_file_location("regions_anew", real.__file__)
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(DataError, match=r"acseg\[pretrain\]"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
