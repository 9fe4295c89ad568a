import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from acseg.concepts.confidence import concept_confidence


def plain(scores: list[list[float]]) -> list[float]:
    """The formula with loops, in double precision."""
    k = len(scores[0])
    owner = [max(range(k), key=lambda c: (row[c], -c)) for row in scores]
    alive = sorted(set(owner))
    result = []
    for concept in range(k):
        values = []
        for row, own in zip(scores, owner, strict=True):
            if own != concept:
                continue
            others = [row[c] for c in alive if c != own]
            second = max(others, default=-1.0)
            far = max(1 - second, 1e-6)
            values.append(min(1.0, max(0.0, 1 - max(0.0, 1 - row[own]) / far)))
        result.append(math.fsum(values) / len(values) if values else 0.0)
    return result


@settings(deadline=None, max_examples=100)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 12), st.integers(1, 6)),
        elements=st.floats(-1, 0.984375, width=32),
    )
)
def test_it_is_the_plain_formula(scores: np.ndarray) -> None:
    found = concept_confidence(torch.from_numpy(scores))
    assert found.shape == (scores.shape[1],)
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    np.testing.assert_allclose(found.numpy(), plain(scores.tolist()), atol=2e-4)


def test_halfway_is_0_and_at_a_concept_1() -> None:
    scores = torch.tensor([[0.5, 0.5], [0.2, 0.9], [1.0, -0.3]])
    found = concept_confidence(scores)
    assert found[0] == pytest.approx((0 + 1) / 2)
    assert found[1] == pytest.approx(1 - 0.1 / 0.8, abs=1e-6)


def test_one_owner_is_compared_with_the_opposite_direction() -> None:
    found = concept_confidence(torch.tensor([[0.6, 0.5], [0.8, 0.7]]))
    assert found.tolist() == pytest.approx([1 - 0.3 / 2, 0])


def test_a_concept_that_owns_nothing_neither_scores_nor_disturbs() -> None:
    two = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    three = torch.cat([two, torch.tensor([[0.85], [0.75]])], dim=1)
    assert concept_confidence(three).tolist() == pytest.approx(
        [*concept_confidence(two).tolist(), 0]
    )


@pytest.mark.parametrize("value", [1.0, 1 + 1e-6, -1.0, 0.0])
def test_equal_scores_give_no_nan(value: float) -> None:
    found = concept_confidence(torch.full((4, 3), value))
    assert ((found >= 0) & (found <= 1)).all()


def test_half_precision_and_strided_scores_are_taken() -> None:
    scores = torch.tensor([[0.75, 0.5], [0.25, 0.5]])
    expected = concept_confidence(scores)
    assert torch.equal(concept_confidence(scores.bfloat16()), expected)
    assert torch.equal(concept_confidence(scores.T.contiguous().T), expected)


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 3), (3, 0)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected scores \(N, k\)"):
        concept_confidence(torch.zeros(shape))
