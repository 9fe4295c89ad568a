import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.pretraining.losses import (
    affinity_loss,
    contrast,
    pool_regions,
    sharpen,
    target_affinity,
)

SEEDS = st.integers(0, 10_000)


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def made_view(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(seed)
    regions = torch.from_numpy(random.integers(0, 4, (2, 3, 7)))
    figure = torch.from_numpy(random.uniform(0, 1, (2, 7)))
    return regions, figure


def plain_target(
    regions: torch.Tensor, figure: torch.Tensor, weight: float, slope: float
) -> np.ndarray:
    """The equation of the docstring, one pair of pixels at a time."""
    batch, scales, n = regions.shape
    target = np.zeros((batch, n, n))
    for b in range(batch):
        f = [float(v) for v in figure[b]]
        mean = sum(f) / n
        variance = sum((v - mean) ** 2 for v in f) / n
        clear = min(1.0, (variance / 0.06) ** 2)
        if slope != 0:
            middle = (min(f) + max(f)) / 2
            f = [1 / (1 + math.exp(-slope * (v - middle))) for v in f]
        for i in range(n):
            for j in range(n):
                votes = sum(int(regions[b, s, i] == regions[b, s, j]) for s in range(scales))
                votes += weight * clear * (1 - abs(f[i] - f[j])) ** 2
                target[b, i, j] = votes / (scales + weight * clear)
    return target


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, weight=st.sampled_from([0.0, 1.0, 12.0]), slope=st.sampled_from([0.0, 4.0, 16]))
def test_target_affinity_is_its_equation(seed: int, weight: float, slope: float) -> None:
    regions, figure = made_view(seed)
    found = target_affinity(regions, figure, figure_weight=weight, slope=slope)
    np.testing.assert_allclose(
        found.numpy(), plain_target(regions, figure, weight, slope), atol=1e-9
    )


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, slope=st.floats(0, 16))
def test_target_affinity_is_symmetric_within_0_and_1_and_1_with_itself(
    seed: int, slope: float
) -> None:
    regions, figure = made_view(seed)
    target = target_affinity(regions, figure.float(), slope=slope)
    assert target.shape == (2, 7, 7)
    assert target.dtype == torch.float32
    assert float(target.min()) >= 0
    assert float(target.max()) <= 1 + 1e-6
    torch.testing.assert_close(target, target.transpose(1, 2))
    torch.testing.assert_close(target.diagonal(dim1=1, dim2=2), torch.ones(2, 7))


def test_a_flat_figure_leaves_only_the_regions() -> None:
    regions, _ = made_view(1)
    flat = torch.full((2, 7), 0.4)
    target = target_affinity(regions, flat, figure_weight=100.0, slope=12.0)
    same = (regions[:, :, :, None] == regions[:, :, None, :]).float().mean(1)
    torch.testing.assert_close(target, same)


def test_a_clear_figure_parts_figure_and_ground_inside_one_region() -> None:
    regions = torch.zeros(1, 3, 4, dtype=torch.long)
    target = target_affinity(regions, torch.tensor([[0.0, 0.0, 1.0, 1.0]]), figure_weight=9.0)
    torch.testing.assert_close(target[0, 0], torch.tensor([1.0, 1.0, 0.25, 0.25]))


def test_target_affinity_takes_views_that_are_not_contiguous() -> None:
    regions, figure = made_view(2)
    turned = regions.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    assert not turned.is_contiguous()
    assert torch.equal(target_affinity(turned, figure), target_affinity(regions, figure))


def test_target_affinity_refuses_a_figure_of_other_length() -> None:
    regions, figure = made_view(3)
    with pytest.raises(RuntimeError):
        target_affinity(regions, figure[:, :5])


def test_sharpen_is_its_equation_and_slope_0_leaves_the_score() -> None:
    figure = torch.tensor([[0.2, 0.4, 1.0], [0.5, 0.5, 0.5]], dtype=torch.float64)
    assert torch.equal(sharpen(figure, 0), figure)
    plain = [[1 / (1 + math.exp(-8 * (f - 0.6))) for f in (0.2, 0.4, 1.0)], [0.5, 0.5, 0.5]]
    torch.testing.assert_close(sharpen(figure, 8.0), torch.tensor(plain, dtype=torch.float64))


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_affinity_loss_is_the_mean_square_over_pairs(seed: int) -> None:
    pixels, target = draw(seed, 2, 5, 3), torch.rand(2, 5, 5, dtype=torch.float64)
    plain = 0.0
    for b in range(2):
        for i in range(5):
            for j in range(5):
                x, y = pixels[b, i].numpy(), pixels[b, j].numpy()
                cosine = float(x @ y) / math.sqrt(float(x @ x) * float(y @ y))
                plain += (cosine - float(target[b, i, j])) ** 2 / 50
    assert float(affinity_loss(pixels, target.float())) == pytest.approx(plain, rel=1e-5)


def test_affinity_loss_counts_in_float32_and_gives_the_plain_gradient() -> None:
    pixels = draw(4, 2, 5, 3).to(torch.bfloat16)
    assert affinity_loss(pixels, torch.zeros(2, 5, 5)).dtype == torch.float32
    assert torch.autograd.gradcheck(
        lambda x: affinity_loss(x, torch.full((2, 5, 5), 0.3)),
        draw(5, 2, 5, 3).requires_grad_(),
        eps=1e-3,  # the loss counts in float32
        atol=1e-3,
    )


def test_affinity_loss_is_finite_for_pixels_of_length_0() -> None:
    pixels = torch.zeros(1, 4, 3, requires_grad=True)
    affinity_loss(pixels, torch.ones(1, 4, 4)).backward()
    assert pixels.grad is not None
    assert bool(pixels.grad.isfinite().all())


def test_affinity_loss_refuses_a_target_of_another_grid() -> None:
    with pytest.raises(RuntimeError):
        affinity_loss(torch.ones(1, 4, 3), torch.ones(1, 5, 5))


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_pool_regions_averages_each_region(seed: int) -> None:
    pixels = draw(seed, 2, 9, 4)
    regions = torch.from_numpy(np.random.default_rng(seed).integers(0, 5, (2, 9)))
    means, sizes = pool_regions(pixels, regions, 6)
    assert means.shape == (2, 6, 4)
    assert sizes.shape == (2, 6)
    for b in range(2):
        for region in range(6):
            members = [pixels[b, i].numpy() for i in range(9) if int(regions[b, i]) == region]
            assert int(sizes[b, region]) == len(members)
            plain = np.mean(members, axis=0) if members else np.zeros(4)
            np.testing.assert_allclose(means[b, region].numpy(), plain, atol=1e-12)


def test_pool_regions_has_a_right_gradient_and_refuses_ids_beyond_the_count() -> None:
    regions = torch.tensor([[0, 1, 1, 3]])
    pixels = draw(6, 1, 4, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: pool_regions(x, regions, 4)[0], pixels)
    with pytest.raises(RuntimeError):
        pool_regions(pixels, regions, 3)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, temperature=st.sampled_from([0.1, 0.2, 1.0]))
def test_contrast_is_the_cross_entropy_of_the_own_key(seed: int, temperature: float) -> None:
    queries, keys = draw(seed, 6, 4), draw(seed + 1, 6, 4)
    plain = 0.0
    for i in range(6):
        cosines = [float(F.cosine_similarity(queries[i], keys[j], dim=0)) for j in range(6)]
        powers = [math.exp(c / temperature) for c in cosines]
        plain -= math.log(powers[i] / sum(powers)) / 6
    found = contrast(queries, keys, temperature=temperature)
    assert float(found) == pytest.approx(plain, rel=1e-4, abs=1e-5)


def test_contrast_has_a_right_gradient() -> None:
    keys = draw(8, 5, 4)
    assert torch.autograd.gradcheck(
        lambda q: contrast(q, keys, temperature=0.5),
        draw(7, 5, 4).requires_grad_(),
        eps=1e-3,  # the loss counts in float32
        atol=1e-3,
    )


def test_contrast_is_0_for_one_pair_and_small_where_each_key_is_its_query() -> None:
    one = draw(9, 1, 4)
    assert float(contrast(one, -one, temperature=0.2)) == 0
    assert float(contrast(torch.eye(4), torch.eye(4), temperature=0.1)) < 1e-3
    assert float(contrast(torch.eye(4), torch.eye(4).roll(1, 0), temperature=0.1)) > 5


def test_contrast_refuses_queries_and_keys_of_other_widths() -> None:
    with pytest.raises(RuntimeError):
        contrast(torch.ones(3, 4), torch.ones(3, 5), temperature=0.2)
