"""The picture's threshold, against plain loops over all pairs."""

import numpy as np
import pytest
import torch

from acseg.concepts.threshold import BINS, CLEAR, evenly, picture_threshold


def plain_threshold(tokens):
    """Try every edge between two bins, with the bins' centres for the cosines."""
    x = tokens / tokens.norm(dim=-1, keepdim=True)
    pairs = (x @ x.T)[~torch.eye(len(x), dtype=torch.bool)].double().numpy()
    bins = np.clip(np.floor((pairs + 1) * (BINS / 2)), 0, BINS - 1)
    values = (bins + 0.5) * (2 / BINS) - 1
    best = (-1.0, 0.0)
    for edge in range(1, BINS):
        low, high = values[bins < edge], values[bins >= edge]
        if len(low) and len(high):
            w = len(low) / len(values)
            between = w * (1 - w) * (low.mean() - high.mean()) ** 2
            if between > best[0] + 1e-12:
                best = (between, edge * 2 / BINS - 1)
    return 2 * best[1] - values.mean() + CLEAR - best[0] / values.var()


def scene(counts, dim=16, noise=0.3, seed=0):
    """Tokens of as many kinds as there are counts."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.randn(len(counts), dim, generator=g)
    kinds = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return centres[kinds] + noise * torch.randn(len(kinds), dim, generator=g)


@pytest.mark.parametrize("counts", [[20, 20], [35, 5], [10, 10, 10, 10], [40]])
def test_is_what_a_plain_loop_finds(counts):
    tokens = scene(counts)
    found = float(picture_threshold(tokens[None]))
    assert found == pytest.approx(plain_threshold(tokens), abs=1e-5)


def test_pictures_of_a_batch_are_alone():
    batch = torch.stack([scene([20, 20]), scene([5, 35], seed=1), scene([40], seed=2)])
    together = picture_threshold(batch)
    assert together.shape == (3,)
    assert together.dtype == torch.float32
    for tokens, t in zip(batch, together, strict=True):
        torch.testing.assert_close(picture_threshold(tokens[None])[0], t)


def test_scale_type_and_layout_do_not_matter():
    tokens = scene([20, 20])[None]
    t = picture_threshold(tokens)
    torch.testing.assert_close(picture_threshold(7 * tokens), t)
    torch.testing.assert_close(picture_threshold(tokens.double()), t, atol=0.03, rtol=0)
    torch.testing.assert_close(picture_threshold(tokens.bfloat16()), t, atol=0.05, rtol=0)
    wide = tokens.mT.contiguous().mT
    assert not wide.is_contiguous()
    torch.testing.assert_close(picture_threshold(wide), t)


def test_some_rows_are_nearly_all_rows():
    tokens = scene([150, 100, 50])[None]
    torch.testing.assert_close(
        picture_threshold(tokens, rows=100), picture_threshold(tokens), atol=0.03, rtol=0
    )


def test_more_of_one_kind_lowers_it():
    one_thing, many_kinds = scene([70, 10]), scene([10] * 8)
    assert picture_threshold(one_thing[None]) < picture_threshold(many_kinds[None])


@pytest.mark.parametrize("tokens", [torch.ones(1, 1, 3), torch.ones(1, 9, 3), torch.zeros(1, 4, 3)])
def test_a_picture_of_one_colour_stays_one_part(tokens):
    assert float(picture_threshold(tokens)) == -1


@pytest.mark.parametrize(
    "tokens", [torch.ones(3, 2), torch.ones(1, 0, 2), torch.ones(1, 3, 2, dtype=torch.int64)]
)
def test_other_shapes_are_refused(tokens):
    with pytest.raises(ValueError, match="tokens must be"):
        picture_threshold(tokens)


def test_even_spacing():
    assert evenly(5, 8).tolist() == [0, 1, 2, 3, 4]
    assert evenly(10, 4).tolist() == [0, 2, 5, 7]
