"""The ground score against plain loops, on layouts whose answer is known, and the thresholds."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.concepts.ground import ground_score, merge_thresholds


def plain_score(pixels, height, width):
    """Score one image pixel by pixel: (N, D)."""

    def mean(inside):
        total, count = torch.zeros(pixels.shape[1], dtype=torch.float64), 0
        for row in range(height):
            for column in range(width):
                if inside(row, column):
                    pixel = pixels[row * width + column].double()
                    total += pixel / pixel.norm()
                    count += 1
        return total / count

    high, wide = math.ceil(height / 12), math.ceil(width / 12)
    top, bottom = mean(lambda r, c: r < high), mean(lambda r, c: r >= height - high)
    left, right = mean(lambda r, c: c < wide), mean(lambda r, c: c >= width - wide)
    middle = mean(
        lambda r, c: (
            height // 4 <= r < height - height // 4 and width // 4 <= c < width - width // 4
        )
    )
    border = (top + bottom + left + right) / 4
    around = min(float(top @ bottom), float(left @ right))
    return around + float((border - middle) @ (border - middle))


def layout(name, side=24):
    """Pixels (1, side * side, 3) of a figure on a ground, of bands, or of one thing."""
    grid = torch.zeros(side, side, dtype=torch.long)
    if name == "figure":
        grid[side // 4 : -side // 4, side // 4 : -side // 4] = 1
    if name == "bands":
        grid[side // 3 :], grid[2 * side // 3 :] = 1, 2
    if name == "columns":
        grid[:, side // 3 :], grid[:, 2 * side // 3 :] = 1, 2
    return torch.eye(3)[grid.flatten()][None]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 10_000))
def test_the_score_is_that_of_a_plain_loop(height, width, seed):
    torch.manual_seed(seed)
    pixels = torch.randn(2, height * width, 5) + torch.randn(2, 1, 5)
    found = ground_score(pixels, (height, width))
    expected = torch.tensor([plain_score(p, height, width) for p in pixels])
    torch.testing.assert_close(found.double(), expected.double(), atol=1e-5, rtol=1e-4)


def test_a_figure_scores_high_and_a_stack_of_bands_low():
    assert ground_score(layout("figure"), (24, 24)).item() == pytest.approx(3.0)  # 1 + |a - b|^2
    assert ground_score(layout("one thing"), (24, 24)).item() == pytest.approx(1.0)
    for name in ("bands", "columns"):
        assert ground_score(layout(name), (24, 24)).item() < 0.6


def test_turning_or_mirroring_a_picture_changes_nothing():
    torch.manual_seed(0)
    pixels = torch.randn(1, 12, 20, 4) + 0.5
    score = ground_score(pixels.flatten(1, 2), (12, 20))
    for turned in (pixels.flip(1), pixels.flip(2), pixels.transpose(1, 2)):
        size = (turned.shape[1], turned.shape[2])
        torch.testing.assert_close(ground_score(turned.flatten(1, 2), size), score)


def test_formats_strides_and_gradient():
    torch.manual_seed(0)
    pixels = torch.randn(2, 7, 30) + 0.5
    expected = ground_score(pixels.mT.contiguous(), (5, 6))
    assert expected.dtype == torch.float32
    torch.testing.assert_close(ground_score(pixels.mT, (5, 6)), expected)
    rounded = ground_score(pixels.mT.to(torch.bfloat16), (5, 6))
    torch.testing.assert_close(rounded, expected, atol=2e-2, rtol=2e-2)
    leaf = pixels.mT.clone().requires_grad_()
    ground_score(leaf, (5, 6)).sum().backward()
    step = torch.zeros_like(leaf)
    step[0, 3, 2] = 1e-2
    with torch.no_grad():
        slope = (ground_score(leaf + step, (5, 6)) - ground_score(leaf - step, (5, 6))).sum() / 2e-2
    assert leaf.grad[0, 3, 2].item() == pytest.approx(slope.item(), abs=1e-4)


@pytest.mark.parametrize("pixels", [torch.zeros(1, 12, 3), torch.zeros(20, 3)])
def test_a_grid_of_another_size_is_refused(pixels):
    with pytest.raises(ValueError, match="expected"):
        ground_score(pixels, (4, 5))


def test_scenes_never_merge():
    pixels = torch.cat([layout("figure"), layout("bands")])
    limits = merge_thresholds(pixels, (24, 24), 0.4, 0.6)
    assert limits.tolist() == pytest.approx([0.4, math.inf])


@pytest.mark.parametrize(
    ("merge", "ground", "limit"),
    [
        (None, 0.5, math.inf),
        (None, None, math.inf),
        (1.0, 0.5, math.inf),
        (0.4, None, 0.4),
        (0.4, 0.0, 0.4),
    ],
)
def test_one_threshold_holds_where_there_is_nothing_to_decide(merge, ground, limit):
    assert merge_thresholds(layout("bands"), (24, 24), merge, ground) == limit
