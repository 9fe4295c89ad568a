"""One picture from tokens to a division, on drawn scenes."""

import pytest
import torch
import torch.nn.functional as F

from acseg.concepts.crumbs import join_crumbs
from acseg.concepts.division import divide_by_concepts, divide_picture
from acseg.concepts.exact import divide
from acseg.concepts.threshold import picture_threshold


def scene(rows=12, columns=16, kinds=4, seed=0, noise=0.5):
    """Vertical stripes of kinds; tokens (N, D) and the kind of each."""
    g = torch.Generator().manual_seed(seed)
    own = (torch.arange(columns) * kinds // columns).repeat(rows)
    centres = torch.randn(kinds, 24, generator=g)
    return centres[own] + noise * torch.randn(len(own), 24, generator=g), own


def test_stripes_are_found():
    tokens, own = scene()
    division = divide_picture(tokens, grid=(12, 16))
    assert torch.equal(division.labels(), own)
    t = float(picture_threshold(tokens[None]))
    assert division.tree.threshold == pytest.approx(t, abs=1e-5)


def test_the_default_cut_is_the_exact_division_without_crumbs():
    for seed in range(5):
        tokens, _ = scene(seed=seed, noise=1.5, kinds=7)
        found = divide_picture(tokens, grid=(12, 16), threshold=0.3)
        expected = join_crumbs(tokens, divide(tokens, 0.3), least=6, grid=(12, 16))
        assert torch.equal(found.labels(), expected)


def test_granularity_goes_from_one_part_to_the_leaves():
    tokens, _ = scene(noise=1.5)
    division = divide_picture(tokens, grid=(12, 16))
    assert int(division.labels(0).max()) == 0
    assert torch.equal(division.labels(1), division.leaves)
    assert len(division.concepts) == len(division.tree.sizes) <= 24
    assert division.leaves.bincount().tolist() == list(division.tree.sizes)


def test_means_of_merged_leaves_are_those_of_their_tokens():
    tokens, _ = scene(noise=1.5)
    division = divide_picture(tokens, grid=(12, 16))
    x = F.normalize(tokens, dim=-1)
    for granularity in (0, 0.3, 0.5, 1):
        labels = division.labels(granularity)
        member = F.one_hot(labels).float()
        expected = F.normalize(member.mT @ x, dim=-1)
        torch.testing.assert_close(division.means(granularity), expected)


def test_fewer_leaves_where_fewer_are_asked_for_but_all_parts():
    tokens, _ = scene(noise=0.9)
    assert len(divide_picture(tokens, most=5).tree.sizes) <= 5
    few = divide_picture(tokens, most=1)
    assert torch.equal(few.leaves, divide_picture(tokens).labels())


def test_concepts_of_a_generator():
    tokens, own = scene()
    means = torch.stack([tokens[own == i].mean(0) for i in range(4)])
    concepts = torch.cat([means, means + 0.1, -means.sum(0, keepdim=True) * 50])
    division = divide_by_concepts(tokens, concepts, grid=(12, 16))
    assert torch.equal(division.labels(), own)
    assert len(division.tree.sizes) <= 9
    assert division.leaves.bincount().min() >= 6


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types_and_layouts(dtype):
    tokens, own = scene()
    wide = tokens.to(dtype).mT.contiguous().mT
    assert torch.equal(divide_picture(wide, grid=(12, 16)).labels(), own)


def test_one_colour_and_one_token():
    assert divide_picture(torch.ones(20, 3)).labels().tolist() == [0] * 20
    one = divide_picture(torch.ones(1, 3))
    assert one.leaves.tolist() == [0]
    assert one.tree.cut(1).tolist() == [0]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="tokens must be"):
        divide_picture(torch.ones(1, 3, 2))
    with pytest.raises(ValueError, match="grid must have"):
        divide_picture(torch.randn(6, 2), grid=(2, 2))
    with pytest.raises(ValueError, match="tokens and concepts"):
        divide_by_concepts(torch.ones(3, 2), torch.ones(2, 3))
