"""Crumbs join what they touch and resemble."""

import pytest
import torch

from acseg.concepts.crumbs import contacts, join_crumbs


def test_a_crumb_joins_the_most_similar_part_that_it_touches():
    labels = torch.tensor([[0, 0, 1, 1, 3], [0, 0, 2, 1, 3], [0, 0, 1, 1, 3]]).flatten()
    centres = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 1.0], [0.5, 1.0]])
    joined = join_crumbs(centres[labels], labels, least=2, grid=(3, 5))
    assert joined.view(3, 5).tolist() == [[0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [0, 0, 1, 1, 2]]
    anywhere = join_crumbs(centres[labels], labels, least=2)
    assert anywhere.view(3, 5)[1, 2] == anywhere.view(3, 5)[0, 4]  # part 3 is its equal


def test_crumbs_of_crumbs_grow_until_they_stay():
    labels = torch.arange(8)
    joined = join_crumbs(torch.eye(8) + 0.1, labels, least=3, grid=(1, 8))
    assert joined.bincount().min() >= 3


def test_within_keeps_coarse_parts():
    tokens = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    coarse, fine = torch.arange(30) // 10, torch.arange(30) // 2
    joined = join_crumbs(tokens, fine, least=4, grid=(5, 6), within=coarse)
    for part in joined.unique():
        assert len(coarse[joined == part].unique()) == 1
    assert joined.bincount().min() >= 4
    small = join_crumbs(tokens, coarse, least=11, within=coarse)  # nowhere to go
    assert torch.equal(small, coarse)


def test_nothing_to_do_and_one_part_left():
    labels = torch.tensor([5, 5, 2, 2])
    assert join_crumbs(torch.eye(4), labels, least=2).tolist() == [0, 0, 1, 1]
    assert join_crumbs(torch.eye(4), labels, least=99, grid=(2, 2)).tolist() == [0] * 4


def test_contacts_are_the_edges_of_the_grid():
    touching = contacts(torch.tensor([0, 1, 2, 2]), (2, 2))
    assert touching.tolist() == [
        [False, True, True],
        [True, False, True],
        [True, True, True],
    ]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="labels must be"):
        join_crumbs(torch.eye(4), torch.zeros(3, dtype=torch.int64), least=2)
    with pytest.raises(ValueError, match="grid must have"):
        join_crumbs(torch.eye(4), torch.zeros(4, dtype=torch.int64), least=2, grid=(2, 3))
