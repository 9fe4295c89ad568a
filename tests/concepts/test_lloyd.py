"""Lloyd's rounds, against a plain loop."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.concepts.assignment import assign, concept_scores
from acseg.concepts.lloyd import lloyd_rounds


def plain_rounds(pixels, concepts, rounds):
    """Move the concepts of one image pixel by pixel."""
    concepts = [c / c.norm() for c in concepts]
    for _ in range(rounds):
        sums = [torch.zeros_like(c) for c in concepts]
        counts = [0] * len(concepts)
        for x in pixels:
            unit = x / x.norm()
            nearest = max(range(len(concepts)), key=lambda c: float(unit @ concepts[c]))
            sums[nearest] = sums[nearest] + unit
            counts[nearest] += 1
        concepts = [
            s / s.norm() if n else c for s, n, c in zip(sums, counts, concepts, strict=True)
        ]
    return torch.stack(concepts)


def fit_of(pixels, concepts):
    return concept_scores(pixels, concepts).amax(dim=2).sum(dim=1)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 20), st.integers(0, 4), st.integers(0, 10_000))
def test_concepts_are_those_of_a_plain_loop(k, n, rounds, seed):
    torch.manual_seed(seed)
    pixels, concepts = torch.randn(2, n, 3).double(), torch.randn(2, k, 3).double()
    moved = torch.nn.functional.normalize(lloyd_rounds(pixels, concepts, rounds), dim=2)
    for image in range(2):
        torch.testing.assert_close(
            moved[image], plain_rounds(pixels[image], concepts[image], rounds)
        )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 30), st.integers(0, 10_000))
def test_no_round_takes_the_pixels_away_from_their_concepts(k, n, seed):
    torch.manual_seed(seed)
    pixels, concepts = torch.randn(1, n, 4).double(), torch.randn(1, k, 4).double()
    fits = [fit_of(pixels, lloyd_rounds(pixels, concepts, rounds)) for rounds in range(5)]
    for before, after in itertools.pairwise(fits):
        assert float(after) >= float(before) - 1e-9


def test_a_concept_without_a_pixel_stays():
    pixels = torch.tensor([[[1.0, 0.1], [1.0, -0.1]]])
    concepts = torch.tensor([[[2.0, 0.0], [-3.0, 0.0]]])
    moved = lloyd_rounds(pixels, concepts, 5)
    torch.testing.assert_close(moved[0, 1], concepts[0, 1])
    assert assign(concept_scores(pixels, moved)).tolist() == [[0, 0]]


def test_the_result_does_not_depend_on_the_layout_or_the_lengths():
    torch.manual_seed(0)
    pixels, concepts = torch.randn(2, 12, 5), torch.randn(2, 3, 5)
    moved = lloyd_rounds(pixels, concepts, 3)
    across = pixels.mT.contiguous().mT
    assert not across.is_contiguous()
    torch.testing.assert_close(lloyd_rounds(across, concepts, 3), moved)
    torch.testing.assert_close(lloyd_rounds(7 * pixels, 0.1 * concepts, 3), moved)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_type_is_that_of_the_pixels(dtype):
    torch.manual_seed(0)
    moved = lloyd_rounds(torch.randn(1, 6, 4, dtype=dtype), torch.randn(1, 2, 4, dtype=dtype), 2)
    assert moved.dtype == dtype
    assert moved.shape == (1, 2, 4)


def test_no_round_gives_the_concepts_back():
    concepts = torch.randn(1, 2, 4)
    assert lloyd_rounds(torch.randn(1, 6, 4), concepts, 0) is concepts


def test_a_pixel_of_zeros_moves_nothing():
    pixels = torch.cat([torch.zeros(1, 1, 3), torch.eye(3)[None]], dim=1)
    moved = lloyd_rounds(pixels, torch.eye(3)[None], 2)
    torch.testing.assert_close(moved, torch.eye(3)[None])


def test_gradients():
    torch.manual_seed(0)
    concepts = torch.randn(1, 2, 4, dtype=torch.float64)
    pixels = (concepts.repeat_interleave(3, dim=1) + 0.1 * torch.randn(1, 6, 4)).double()
    assert torch.autograd.gradcheck(
        lambda x: lloyd_rounds(x, concepts, 2), (pixels.requires_grad_(True),)
    )


@pytest.mark.parametrize(
    ("pixels", "concepts"), [((1, 4, 3), (1, 2, 5)), ((2, 4, 3), (1, 2, 3)), ((4, 3), (1, 2, 3))]
)
def test_shapes_that_do_not_fit(pixels, concepts):
    with pytest.raises(ValueError, match="expected pixels"):
        lloyd_rounds(torch.randn(pixels), torch.randn(concepts), 1)


def test_a_number_of_rounds_below_none():
    with pytest.raises(ValueError, match="rounds must be at least 0, found -1"):
        lloyd_rounds(torch.randn(1, 4, 3), torch.randn(1, 2, 3), -1)
