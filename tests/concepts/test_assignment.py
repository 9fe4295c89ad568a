"""Assignment of pixels to concepts, and its upsampling."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.concepts import assignment
from acseg.concepts.assignment import assign, concept_scores, upsample_assignment


def random(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_scores_are_cosines():
    pixels, concepts = random(2, 7, 5), random(2, 3, 5, seed=1)
    scores = concept_scores(pixels, concepts)
    expected = F.cosine_similarity(pixels[:, :, None], concepts[:, None], dim=-1)
    torch.testing.assert_close(scores, expected)
    strided = pixels.mT.contiguous().mT
    torch.testing.assert_close(concept_scores(strided, concepts), expected)


def test_zero_vectors_score_zero():
    assert torch.equal(
        concept_scores(torch.zeros(1, 2, 3), torch.ones(1, 4, 3)), torch.zeros(1, 2, 4)
    )


def test_scores_gradcheck():
    pixels = random(1, 4, 3, dtype=torch.float64).requires_grad_()
    concepts = random(1, 2, 3, seed=1, dtype=torch.float64).requires_grad_()
    torch.autograd.gradcheck(concept_scores, (pixels, concepts))


def test_assign_takes_the_highest_and_the_first_on_a_tie():
    scores = torch.tensor([[[0.1, 0.9, 0.3], [0.5, 0.5, 0.5], [-1.0, -0.9, -0.9]]])
    labels = assign(scores)
    assert labels.dtype == torch.int64
    assert labels.tolist() == [[1, 0, 1]]


@settings(max_examples=60, deadline=None)
@given(
    h=st.integers(1, 9),
    w=st.integers(1, 9),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    k=st.integers(1, 6),
    seed=st.integers(0, 999),
)
def test_upsampling_is_that_of_interpolate_and_labels_are_compact(h, w, height, width, k, seed):
    scores = random(h * w, k, seed=seed, dtype=torch.float64).float()
    labels, kept = upsample_assignment(scores, (h, w), (height, width))
    owners = set(scores.argmax(dim=1).tolist())
    others = [c for c in range(k) if c not in owners]
    plain = F.interpolate(
        scores.T.reshape(1, k, h, w).double(), size=(height, width), mode="bilinear"
    )
    plain[:, others] = -10
    best = plain[0].max(dim=0).values
    drawn = plain[0].gather(0, kept[labels][None])[0]
    assert labels.shape == (height, width)
    assert labels.dtype == torch.int64
    assert drawn == pytest.approx(best, abs=1e-5)
    assert labels.unique().tolist() == list(range(len(kept)))
    assert kept.tolist() == sorted(kept.tolist())
    assert set(kept.tolist()) <= owners


def test_a_concept_without_a_pixel_takes_no_part():
    # Halfway between the two pixels the third concept would win, but it owns neither.
    scores = torch.tensor([[1.0, 0.0, 0.9], [0.0, 1.0, 0.9]])
    labels, kept = upsample_assignment(scores, (1, 2), (1, 20))
    assert kept.tolist() == [0, 1]
    assert labels.tolist() == [[0] * 10 + [1] * 10]


def test_labels_keep_the_order_of_the_prototypes():
    scores = torch.eye(5)[[4, 4, 1, 1]]
    labels, kept = upsample_assignment(scores, (2, 2), (4, 4))
    assert kept.tolist() == [1, 4]
    assert labels.tolist() == [[1] * 4] * 2 + [[0] * 4] * 2


def test_the_result_does_not_depend_on_the_bands(monkeypatch):
    scores = random(35, 4)
    whole = upsample_assignment(scores, (5, 7), (61, 83))
    for values in (1, 700, 5000):
        monkeypatch.setattr(assignment, "BAND_VALUES", values)
        banded = upsample_assignment(scores, (5, 7), (61, 83))
        assert torch.equal(banded[0], whole[0])
        assert torch.equal(banded[1], whole[1])


def test_one_band_holds_no_more_than_the_budget(monkeypatch):
    monkeypatch.setattr(assignment, "BAND_VALUES", 1000)
    seen = []
    real = assignment.lerp

    def spy(maps, size, *, dim, **kwargs):
        result = real(maps, size, dim=dim, **kwargs)
        if dim == -2:
            seen.append(result.numel())
        return result

    monkeypatch.setattr(assignment, "lerp", spy)
    upsample_assignment(random(64, 3), (8, 8), (200, 50))
    assert max(seen) <= 1000
    assert sum(seen) == 200 * 50 * 3


def test_more_concepts_than_a_byte_counts():
    scores = torch.eye(300)
    labels, kept = upsample_assignment(scores, (15, 20), (15, 20))
    assert labels.flatten().tolist() == list(range(300))
    assert kept.tolist() == list(range(300))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_and_non_contiguous_scores(dtype):
    scores = random(3, 12).to(dtype).T
    labels, kept = upsample_assignment(scores, (3, 4), (3, 4))
    assert torch.equal(kept[labels].reshape(-1), scores.argmax(dim=1))


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda: concept_scores(torch.ones(4, 3), torch.ones(1, 2, 3)), r"found \(4, 3\)"),
        (lambda: concept_scores(torch.ones(1, 4, 3), torch.ones(1, 2, 5)), r"\(1, 2, 5\)"),
        (lambda: concept_scores(torch.ones(2, 4, 3), torch.ones(1, 2, 3)), r"\(1, 2, 3\)"),
        (lambda: upsample_assignment(torch.ones(5, 2), (2, 3), (4, 4)), r"2 \* 3.*\(5, 2\)"),
        (lambda: upsample_assignment(torch.ones(6, 0), (2, 3), (4, 4)), r"\(6, 0\)"),
        (lambda: upsample_assignment(torch.ones(6, 2), (2, 3), (0, 4)), "found 0 x 4"),
    ],
)
def test_errors_say_what_was_found(call, found):
    with pytest.raises(ValueError, match=found):
        call()
