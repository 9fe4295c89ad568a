"""The concept tree, against mean cosines by brute force."""

import itertools
import json

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.concepts.tree import ConceptTree, grow_tree


def draw(n, leaves, seed, dim=4):
    g = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.arange(leaves), torch.randint(leaves, (n - leaves,), generator=g)])
    return torch.randn(n, dim, generator=g), labels


def mean_cosine(tokens, a, b):
    x = F.normalize(tokens.double(), dim=1)
    return float((x[a] @ x[b].T).mean())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), leaves=st.integers(1, 9))
def test_heights_are_mean_cosines_and_each_merge_is_the_best(seed, leaves):
    tokens, labels = draw(40, leaves, seed)
    tree = grow_tree(tokens, labels, 0.3)
    groups = {i: labels == i for i in range(leaves)}
    for i, ((a, b), height) in enumerate(zip(tree.merges, tree.heights, strict=True)):
        assert height == pytest.approx(mean_cosine(tokens, groups[a], groups[b]), abs=1e-9)
        names = sorted(groups)
        every = [mean_cosine(tokens, groups[p], groups[q]) for p in names for q in names if p < q]
        assert height == pytest.approx(max(every), abs=1e-9)
        groups[leaves + i] = groups.pop(a) | groups.pop(b)
    assert list(tree.heights) == sorted(tree.heights, reverse=True)
    assert tree.sizes == tuple(labels.bincount().tolist())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), leaves=st.integers(1, 12), threshold=st.floats(-1, 1))
def test_cuts_are_nested_and_go_from_one_part_to_all(seed, leaves, threshold):
    tree = grow_tree(*draw(60, leaves, seed), threshold)
    cuts = [tree.cut(i / 20) for i in range(21)]
    assert cuts[0].tolist() == [0] * leaves
    assert cuts[-1].tolist() == list(range(leaves))
    for coarse, fine in itertools.pairwise(cuts):
        for part in fine.unique():
            assert len(coarse[fine == part].unique()) == 1
    above = sum(h >= threshold for h in tree.heights)
    assert int(tree.cut().max()) + 1 == leaves - above or int(tree.cut().max()) == leaves - 1
    assert torch.equal(tree.cut(), tree.cut(0.5))


def test_the_default_cut_is_at_the_threshold():
    tokens = torch.tensor([[1.0, 0.0], [0.8, 0.6], [-1.0, 0.0]])
    tree = grow_tree(tokens, torch.arange(3), 0.5)
    assert tree.cut().tolist() == [0, 0, 1]
    assert grow_tree(tokens, torch.arange(3), 0.81).cut().tolist() == [0, 1, 2]
    assert tree.at_parts(2).tolist() == [0, 0, 1]


def test_the_default_cut_gives_the_parts_that_leaves_are_nested_in():
    for seed in range(10):
        tokens, leaves = draw(60, 12, seed)
        parts = leaves % 4
        tree = grow_tree(tokens, leaves, 0.2, parts=parts)
        assert torch.equal(tree.cut()[leaves], parts)
        assert list(tree.heights) == sorted(tree.heights, reverse=True)
        assert sum(h >= 0.2 for h in tree.heights) == 8


def test_json_and_back():
    tree = grow_tree(*draw(30, 6, 0), 0.25)
    again = ConceptTree.from_dict(json.loads(json.dumps(tree.to_dict())))
    assert again == tree


def test_what_does_not_fit_is_refused():
    tokens, labels = draw(20, 4, 0)
    with pytest.raises(ValueError, match="labels must be"):
        grow_tree(tokens, labels[:-1], 0.2)
    with pytest.raises(ValueError, match="without a gap"):
        grow_tree(tokens, labels + 1, 0.2)
    with pytest.raises(ValueError, match="nested"):
        grow_tree(tokens, labels, 0.2, parts=torch.arange(20) % 2)
    tree = grow_tree(tokens, labels, 0.2)
    with pytest.raises(ValueError, match="granularity"):
        tree.cut(1.1)
    with pytest.raises(ValueError, match="parts must be"):
        tree.at_parts(5)


@pytest.mark.parametrize(
    "fields",
    [
        {"merges": [], "heights": [], "sizes": [], "threshold": 0},
        {"merges": [[0, 1]], "heights": [], "sizes": [3, 4], "threshold": 0},
        {"merges": [[0, 0]], "heights": [0.5], "sizes": [3, 4], "threshold": 0},
        {"merges": [[0, 4], [1, 2]], "heights": [0.5, 0.1], "sizes": [1, 1, 1], "threshold": 0},
        {"merges": [[0, 1], [2, 3]], "heights": [0.1, 0.5], "sizes": [1, 1, 1], "threshold": 0},
    ],
)
def test_a_broken_tree_is_refused(fields):
    with pytest.raises(ValueError, match=r"merges|heights"):
        ConceptTree.from_dict(fields)
