import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.pretraining import views
from acseg.pretraining.views import View, _crop, _turn_hue, random_view

SIDE, PATCH = 32, 8


def batch(count: int = 3, side: int = 40, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Random photographs; maps of two scales (ids 3..6 and 10..12) and a figure; aspects."""
    random = np.random.default_rng(seed)
    photos = torch.from_numpy(random.integers(0, 256, (count, 3, side, side), dtype=np.uint8))
    maps = np.zeros((count, 3, 20, 20), np.uint8)
    maps[:, 0] = random.integers(3, 7, (count, 20, 20))
    maps[:, 1] = random.integers(10, 13, (count, 20, 20))
    maps[:, 2] = random.integers(0, 256, (count, 20, 20))
    aspect = torch.from_numpy(random.uniform(0.4, 2.5, count).astype(np.float32))
    return photos, torch.from_numpy(maps), aspect


def view_of(inputs: tuple[torch.Tensor, ...], seed: int = 0, **changes: object) -> View:
    torch.manual_seed(seed)
    return random_view(*inputs, **({"side": SIDE, "patch": PATCH} | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("strength", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_view_has_its_shapes_ranges_and_ids_of_the_maps(strength: float, seed: int) -> None:
    view = view_of(batch(), seed, strength=strength, area=(0.05, 1.0))
    assert view.images.shape == (3, 3, SIDE, SIDE)
    assert view.images.dtype == torch.float32
    assert view.regions.shape == (3, 2, 16)
    assert view.regions.dtype == torch.int64
    assert view.figure.shape == (3, 16)
    for values in (view.images, view.figure):
        assert bool(values.isfinite().all())
        assert float(values.min()) >= 0
        assert float(values.max()) <= 1
    assert set(view.regions[:, 0].unique().tolist()) <= {3, 4, 5, 6}
    assert set(view.regions[:, 1].unique().tolist()) <= {10, 11, 12}


def test_the_same_seed_gives_the_same_view_and_another_seed_another() -> None:
    first, again, other = (view_of(batch(), seed) for seed in (5, 5, 6))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.regions, again.regions)
    assert torch.equal(first.figure, again.figure)
    assert not torch.equal(first.images, other.images)


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_the_whole_photograph_comes_back_up_to_a_flip(
    monkeypatch: pytest.MonkeyPatch, flip: float
) -> None:
    whole = torch.tensor([[flip, 0, 0], [0, 1, 0]])
    monkeypatch.setattr(views, "_crop", lambda aspect, area: whole.expand(len(aspect), 2, 3))
    photos, _, aspect = batch(side=SIDE)
    maps = torch.randint(0, 200, (3, 4, 4, 4), dtype=torch.uint8)
    view = view_of((photos, maps, aspect), strength=0.0)
    back = (lambda t: t.flip(-1)) if flip < 0 else (lambda t: t)
    torch.testing.assert_close(view.images, back(photos) / 255, atol=1e-5, rtol=0)
    assert torch.equal(view.regions, back(maps)[:, :3].flatten(2).long())
    torch.testing.assert_close(view.figure, back(maps)[:, 3].flatten(1) / 255)


def test_picture_regions_and_figure_are_cropped_and_flipped_alike() -> None:
    # Red says the column and green the row, of the picture as of both maps.
    ramp = torch.linspace(0, 255, 64).round().to(torch.uint8)
    columns, rows = ramp.expand(64, 64), ramp[:, None].expand(64, 64)
    photos = torch.stack([columns, rows, rows]).expand(8, 3, 64, 64)
    maps = torch.stack([columns, rows, columns]).expand(8, 3, 64, 64)
    view = view_of((photos, maps, torch.ones(8)), strength=0.0)
    cells = SIDE // PATCH
    shown = view.images.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH).mean((-1, -2))
    shown = shown.reshape(8, 3, cells * cells) * 255  # mean of each patch: of its middle here
    step = 255 / 63
    assert float((shown[:, :2] - view.regions).abs().max()) < step
    assert float((shown[:, 0] - view.figure * 255).abs().max()) < step


def test_strength_0_leaves_the_colours_and_strength_1_does_not() -> None:
    _, maps, aspect = batch()
    colours = torch.tensor([[200, 30, 90], [10, 120, 220], [128, 128, 128]], dtype=torch.uint8)
    plain = colours[:, :, None, None].expand(3, 3, 40, 40)
    wanted = (colours / 255)[:, :, None, None].expand(3, 3, SIDE, SIDE)
    left = view_of((plain, maps, aspect), strength=0.0).images
    torch.testing.assert_close(left, wanted, atol=1e-5, rtol=0)
    changed = view_of((plain, maps, aspect), strength=1.0).images
    assert float((changed - wanted).abs().amax((1, 2, 3)).min()) > 0.01


@settings(max_examples=60, deadline=None)
@given(
    aspect=st.floats(0.34, 3.0),
    low=st.floats(0.05, 1.0),
    seed=st.integers(0, 1000),
)
def test_a_crop_lies_inside_with_near_true_aspect_and_no_more_than_its_share(
    aspect: float, low: float, seed: int
) -> None:
    torch.manual_seed(seed)
    affine = _crop(torch.full((4,), aspect), (low, 1.0))
    wide, tall = affine[:, 0, 0].abs(), affine[:, 1, 1]
    assert bool((affine[:, 0, 1] == 0).all())
    assert bool((affine[:, 1, 0] == 0).all())
    assert bool((affine[:, 0, 2].abs() + wide <= 1 + 1e-5).all())
    assert bool((affine[:, 1, 2].abs() + tall <= 1 + 1e-5).all())
    bent = wide * aspect / tall  # width over height of the crop in the true photograph
    assert bool((bent.log().abs() <= math.log(4 / 3) / 1 + 1e-3).all())
    share = wide * tall
    touches = torch.maximum(wide, tall) > 1 - 1e-5
    assert bool((share <= 1 + 1e-5).all())
    assert bool(((share >= low - 1e-5) | touches).all())


def test_crops_of_share_1_span_a_side_of_a_square_photograph() -> None:
    torch.manual_seed(0)
    affine = _crop(torch.ones(32), (1.0, 1.0))
    wide, tall = affine[:, 0, 0].abs(), affine[:, 1, 1]
    torch.testing.assert_close(torch.maximum(wide, tall), torch.ones(32))
    assert float(torch.minimum(wide, tall).min()) >= 0.75 - 1e-4
    assert 4 < int((affine[:, 0, 0] < 0).sum()) < 28  # about half are flipped


def test_turning_the_hue_by_0_changes_nothing_and_grey_never_changes() -> None:
    torch.manual_seed(0)
    images, angles = torch.rand(4, 3, 5, 5), torch.tensor([0.3, -1.0, 2.0, 3.0])
    torch.testing.assert_close(_turn_hue(images, torch.zeros(4)), images)
    grey = images[:, :1].expand(4, 3, 5, 5)
    torch.testing.assert_close(_turn_hue(grey, angles), grey)


def test_turning_the_hue_by_a_third_swaps_the_channels_and_keeps_the_sum() -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 5, 5)
    third = _turn_hue(images, torch.full((2,), 2 * math.pi / 3))
    torch.testing.assert_close(third, images.roll(1, dims=1))  # red becomes green
    turned = _turn_hue(images, torch.tensor([0.4, -0.9]))
    torch.testing.assert_close(turned.sum(1), images.sum(1))
    torch.testing.assert_close(turned.square().sum(1), images.square().sum(1))


def test_the_cut_is_a_clear_figure_and_else_some_of_the_coarsest_regions() -> None:
    regions = torch.arange(4).repeat_interleave(16).view(1, 8, 8).repeat(2, 1, 1)
    figure = torch.zeros(2, 8, 8)
    figure[0, 2:6, 2:6] = 1.0  # clear; the second view has none
    for seed in range(5):
        torch.manual_seed(seed)
        cut = views._cut(regions, figure)
        assert torch.equal(cut[0], figure[0] > 0.5)
        for region in range(4):
            inside = cut[1][regions[1] == region]
            assert inside.all() or not inside.any()


def test_the_cut_has_the_size_of_the_view() -> None:
    view = view_of(batch())
    assert view.cut.shape == (3, SIDE, SIDE)
    assert view.cut.dtype == torch.bool
