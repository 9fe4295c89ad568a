"""The exact division, against double loops over pairs and all partitions of small pictures."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.concepts.exact import compact, divide, merge_parts, objective


def plain_objective(tokens, labels, threshold):
    """Sum over pairs."""
    x = [t / t.norm() for t in tokens.double()]
    return sum(
        float(x[i] @ x[j]) - threshold
        for i in range(len(x))
        for j in range(i)
        if labels[i] == labels[j]
    )


def partitions(n):
    """All partitions of n things, as labels in order of the first thing."""
    if n == 0:
        yield []
        return
    for rest in partitions(n - 1):
        for part in range(max(rest, default=-1) + 2):
            yield [*rest, part]


def draw(n, dim, seed):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def test_objective_is_the_sum_over_pairs():
    tokens, labels = draw(12, 4, 0), torch.arange(12) % 3
    assert float(objective(tokens, labels, 0.2)) == pytest.approx(
        plain_objective(tokens, labels, 0.2), abs=1e-5
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), threshold=st.floats(-0.5, 0.8), n=st.integers(1, 30))
def test_no_token_and_no_two_parts_can_move_for_the_better(seed, threshold, n):
    tokens = draw(n, 4, seed)
    labels = divide(tokens, threshold)
    parts = int(labels.max()) + 1
    assert torch.equal(labels, compact(labels))
    best = plain_objective(tokens, labels, threshold)
    for i in range(n):
        for part in range(parts + 1):
            moved = labels.clone()
            moved[i] = part
            assert plain_objective(tokens, moved, threshold) <= best + 1e-3
    for a in range(parts):
        for b in range(a):
            merged = torch.where(labels == a, b, labels)
            assert plain_objective(tokens, merged, threshold) <= best + 1e-3 * n * n


def test_is_close_to_the_best_of_all_partitions():
    found = total = 0.0
    for seed in range(20):
        tokens = draw(7, 3, seed)
        found += plain_objective(tokens, divide(tokens, 0.1), 0.1)
        total += max(plain_objective(tokens, p, 0.1) for p in partitions(7))
    assert found > 0.97 * total


def test_clear_kinds_are_found_whatever_their_number():
    for kinds in (1, 2, 5, 9):
        centres = torch.eye(9)[:kinds]
        own = torch.arange(kinds).repeat(12)
        tokens = centres[own] + 0.05 * draw(len(own), 9, kinds)
        assert torch.equal(divide(tokens, 0.5), own)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types_scales_and_layouts(dtype):
    own = torch.arange(3).repeat(10)
    tokens = torch.eye(3)[own] + 0.05 * draw(30, 3, 1)
    assert torch.equal(divide((8 * tokens).to(dtype), 0.5), own)
    wide = tokens.mT.contiguous().mT
    assert not wide.is_contiguous()
    assert torch.equal(divide(wide, torch.tensor(0.5)), own)


def test_equal_tokens_and_single_tokens():
    assert divide(torch.ones(9, 2), 0.9).tolist() == [0] * 9
    assert divide(torch.ones(1, 2), 0.5).tolist() == [0]
    assert divide(torch.eye(4), 0.5).tolist() == [0, 1, 2, 3]


def test_is_the_same_each_time():
    tokens = draw(200, 8, 3)
    first = divide(tokens, 0.2)
    assert all(torch.equal(divide(tokens, 0.2), first) for _ in range(3))


def test_merging_is_average_linkage_cut_at_zero():
    from scipy.cluster.hierarchy import fcluster, linkage

    x = torch.nn.functional.normalize(draw(60, 5, 4), dim=1).double()
    cosines = x @ x.T
    pairs = (1 - cosines)[tuple(torch.triu_indices(60, 60, 1))].numpy()
    expected = fcluster(linkage(pairs, "average"), 1 - 0.3, "distance")
    found = merge_parts((cosines - 0.3).fill_diagonal_(0), torch.ones(60).double())
    assert torch.equal(compact(found), compact(torch.from_numpy(expected)))


@pytest.mark.parametrize(
    "tokens", [torch.ones(1, 3, 2), torch.ones(0, 2), torch.ones(3, 2, dtype=torch.int64)]
)
def test_other_shapes_are_refused(tokens):
    with pytest.raises(ValueError, match="tokens must be"):
        divide(tokens, 0.5)
