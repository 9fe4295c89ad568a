import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.classes.regions import (
    MOST_LEAVES,
    Leaves,
    flat_leaves,
    pack_leaves,
    unpack_leaves,
)
from acseg.concepts.tree import ConceptTree, grow_tree

DIM = 6
GRANULARITIES = (0.0, 0.2, 0.5, 0.7, 1.0)


def made(n: int, seed: int = 0) -> Leaves:
    """n leaves of a few tokens each, with the tree that grows above them."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.arange(n), torch.randint(n, (3 * n,), generator=random)])
    tokens = torch.randn(len(labels), DIM, generator=random)
    unit = torch.nn.functional.normalize(tokens, dim=1)
    means = torch.stack([unit[labels == leaf].mean(dim=0) for leaf in range(n)])
    facts = torch.rand(2, n, generator=random)
    return Leaves(grow_tree(tokens, labels, 0.1), means, facts[0], (facts[1] * 9).floor())


def members(leaves: Leaves, part: torch.Tensor) -> list[list[int]]:
    return [torch.nonzero(part == p)[:, 0].tolist() for p in range(int(part.max()) + 1)]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(0, 1000), st.sampled_from(GRANULARITIES))
def test_regions_are_their_leaves_put_together(n: int, seed: int, granularity: float) -> None:
    leaves = made(n, seed)
    found = leaves.regions(granularity)
    assert torch.equal(found.part, leaves.tree.cut(granularity))
    for region, own in enumerate(members(leaves, found.part)):
        sizes = [leaves.tree.sizes[leaf] for leaf in own]
        total = sum(k * leaves.means[leaf].double() for k, leaf in zip(sizes, own, strict=True))
        wanted = torch.nn.functional.normalize(total, dim=0)
        torch.testing.assert_close(found.descriptors[region].double(), wanted, atol=1e-5, rtol=0)
        assert found.size[region] == sum(sizes)
        for facts, told in ((leaves.attention, found.attention), (leaves.border, found.border)):
            assert told[region].item() == pytest.approx(sum(facts[own]).item(), abs=1e-5)
    assert len(found.size) == len(members(leaves, found.part))


def test_one_region_at_0_and_all_leaves_at_1() -> None:
    leaves = made(7)
    assert len(leaves.regions(0).size) == 1
    assert torch.equal(leaves.regions(1).part, torch.arange(7))
    assert leaves.regions(1).size.tolist() == list(leaves.tree.sizes)


@settings(deadline=None, max_examples=40)
@given(st.one_of(st.integers(1, 12), st.just(MOST_LEAVES)), st.integers(0, 1000))
def test_leaves_come_back_from_their_table(n: int, seed: int) -> None:
    leaves = made(n, seed)
    means, facts = pack_leaves(leaves)
    assert (means.shape, means.dtype) == ((MOST_LEAVES, DIM), np.float16)
    assert (facts.shape, facts.dtype) == ((MOST_LEAVES, 7), np.float32)
    again = unpack_leaves(means, facts)
    assert again.tree.merges == leaves.tree.merges
    assert again.tree.sizes == leaves.tree.sizes
    assert again.tree.heights == pytest.approx(leaves.tree.heights, abs=1e-6)
    assert again.tree.threshold == pytest.approx(leaves.tree.threshold, abs=1e-6)
    torch.testing.assert_close(again.means, leaves.means, atol=1e-3, rtol=1e-3)
    assert torch.equal(again.attention, leaves.attention)
    assert torch.equal(again.border, leaves.border)


@settings(deadline=None, max_examples=15)
@given(st.integers(MOST_LEAVES + 1, MOST_LEAVES + 30), st.integers(0, 1000))
def test_of_too_many_leaves_those_that_merge_first_are_put_together(n: int, seed: int) -> None:
    leaves = made(n, seed)
    again = unpack_leaves(*pack_leaves(leaves))
    first = leaves.tree.at_parts(MOST_LEAVES)  # (n,) new leaf of each
    assert len(again.tree.sizes) == MOST_LEAVES
    for leaf, own in enumerate(members(leaves, first)):
        sizes = torch.tensor([leaves.tree.sizes[i] for i in own])
        mean = (leaves.means[own] * sizes[:, None]).sum(dim=0) / sizes.sum()
        torch.testing.assert_close(again.means[leaf], mean, atol=2e-3, rtol=2e-3)
        assert again.tree.sizes[leaf] == sizes.sum()
        assert again.attention[leaf].item() == pytest.approx(sum(leaves.attention[own]).item())
        assert again.border[leaf] == sum(leaves.border[own])
    for parts in (1, 2, 5, MOST_LEAVES - 1, MOST_LEAVES):  # and all coarser cuts are the same
        assert torch.equal(again.tree.at_parts(parts)[first], leaves.tree.at_parts(parts))


@pytest.mark.parametrize("granularity", GRANULARITIES[:-1])
def test_a_table_gives_the_regions_of_the_picture(granularity: float) -> None:
    for seed in range(20):
        leaves = made(9, seed)
        plain = leaves.regions(granularity)
        again = unpack_leaves(*pack_leaves(leaves)).regions(granularity)
        assert torch.equal(again.part, plain.part)
        torch.testing.assert_close(again.descriptors, plain.descriptors, atol=2e-3, rtol=0)
        assert torch.equal(again.size, plain.size)


def test_a_height_at_the_threshold_stays_on_its_side() -> None:
    """Parts of an exact division merge at heights that are set to the threshold, or just below."""
    threshold = 0.1 + 1e-9  # no number of float32
    below = float(np.nextafter(threshold, -1))
    merges, heights = ((0, 1), (2, 3), (4, 5)), (threshold, threshold, below)
    tree = ConceptTree(merges, heights, (2, 3, 4, 5), threshold)
    leaves = Leaves(tree, torch.randn(4, DIM), torch.rand(4), torch.rand(4))
    again = unpack_leaves(*pack_leaves(leaves))
    assert torch.equal(again.tree.cut(0.5), tree.cut(0.5))


@pytest.mark.parametrize("n", [1, 2, 3, 8, MOST_LEAVES])
def test_regions_of_one_granularity_become_leaves_of_their_own(n: int) -> None:
    regions = made(n).regions(1)
    flat = flat_leaves(regions)
    torch.testing.assert_close(flat.regions(0.5).descriptors, regions.descriptors)
    again = unpack_leaves(*pack_leaves(flat)).regions(0.5)
    assert torch.equal(again.part, torch.arange(n))
    assert torch.equal(again.size, regions.size)
    assert torch.equal(again.attention, regions.attention)


def test_more_regions_of_one_granularity_than_a_table_holds_stay_apart_as_far_as_they_can() -> None:
    regions = made(MOST_LEAVES + 5).regions(1)
    again = unpack_leaves(*pack_leaves(flat_leaves(regions))).regions(0.5)
    assert len(again.size) == MOST_LEAVES
    assert again.size.sum() == regions.size.sum()
