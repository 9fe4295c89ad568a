"""Merging concepts, against plain loops."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.concepts.assignment import assign, concept_scores
from acseg.concepts.merging import (
    ROWS,
    concept_affinity,
    merge_alike,
    merge_concepts,
    merge_scores,
    whole_affinity,
)


def plain_merge(affinity, labels, k, threshold):
    """Merge the most alike pair while its mean affinity is above the threshold."""
    groups = {c: {c} for c in range(k) if (labels == c).any()}
    while len(groups) > 1:
        best = (-1.0, -1, -1)
        for c in groups:
            for d in groups:
                if c < d:
                    mine = torch.isin(labels, torch.tensor(sorted(groups[c])))
                    theirs = torch.isin(labels, torch.tensor(sorted(groups[d])))
                    mean = float(affinity[mine][:, theirs].mean())
                    if mean > best[0] + 1e-6:
                        best = (mean, c, d)
        if best[0] <= threshold:
            break
        groups[best[1]] |= groups.pop(best[2])
    return {frozenset(g) for g in groups.values()}


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 6), st.integers(1, 24), st.integers(0, 10_000), st.floats(-0.25, 1.125, width=32)
)
def test_groups_are_those_of_a_plain_loop(k, n, seed, threshold):
    torch.manual_seed(seed)
    pixels = torch.randn(2, n, 4) + torch.randn(2, 1, 4)
    labels = torch.randint(k, (2, n))
    group = merge_concepts(*concept_affinity(pixels, labels, k), threshold)
    for b in range(2):
        unit = torch.nn.functional.normalize(pixels[b], dim=1)
        expected = plain_merge((unit @ unit.T).clamp(min=0), labels[b], k, threshold)
        used = labels[b].unique().tolist()
        found: dict[int, set[int]] = {}
        for c in used:
            found.setdefault(int(group[b, c]), set()).add(c)
        assert {frozenset(g) for g in found.values()} == expected


def test_sums_do_not_depend_on_the_bands():
    torch.manual_seed(0)
    pixels, labels = (
        torch.randn(1, 2 * ROWS["cpu"] + 37, 8),
        torch.randint(3, (1, 2 * ROWS["cpu"] + 37)),
    )
    sums, counts = concept_affinity(pixels, labels, 3)
    unit = torch.nn.functional.normalize(pixels[0].double(), dim=1)
    affinity = (unit @ unit.T).clamp(min=0)
    for c in range(3):
        for d in range(3):
            expected = affinity[labels[0] == c][:, labels[0] == d].sum()
            torch.testing.assert_close(sums[0, c, d].double(), expected, rtol=1e-4, atol=1e-2)
    whole, _ = whole_affinity(pixels, labels, 3)
    torch.testing.assert_close(whole, sums, rtol=1e-4, atol=1e-2)
    assert counts[0].tolist() == labels[0].bincount(minlength=3).tolist()


def test_each_image_may_have_its_own_threshold():
    torch.manual_seed(1)
    pixels = torch.randn(3, 20, 4) + 1
    measured = concept_affinity(pixels, torch.randint(5, (3, 20)), 5)
    limits = [0.2, 0.6, torch.inf]
    together = merge_concepts(*measured, torch.tensor(limits))
    for image, limit in enumerate(limits):
        torch.testing.assert_close(together[image], merge_concepts(*measured, limit)[image])
    assert len({len(row.unique()) for row in together}) > 1


def test_one_merges_nothing_and_twins_become_one():
    pixels = torch.tensor([[[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]])
    labels = torch.tensor([[0, 2, 1]])
    measured = concept_affinity(pixels, labels, 3)
    assert merge_concepts(*measured, 1.0).tolist() == [[0, 1, 2]]
    assert merge_concepts(*measured, 0.5).tolist() == [[0, 1, 0]]


def test_images_are_merged_each_for_itself():
    torch.manual_seed(2)
    pixels, labels = torch.randn(5, 30, 4) + 0.7, torch.randint(6, (5, 30))
    together = merge_concepts(*concept_affinity(pixels, labels, 6), 0.4)
    alone = [
        merge_concepts(*concept_affinity(p[None], a[None], 6), 0.4)[0]
        for p, a in zip(pixels, labels)
    ]
    assert together.tolist() == torch.stack(alone).tolist()
    assert len({(g != torch.arange(6)).sum().item() for g in together}) > 1  # not all alike


def test_no_batch():
    group = merge_concepts(
        *concept_affinity(torch.zeros(0, 4, 2), torch.zeros(0, 4).long(), 3), 0.5
    )
    assert group.shape == (0, 3)


def test_bfloat16_products_hardly_move_a_mean():
    torch.manual_seed(3)
    pixels, labels = torch.randn(2, 700, 64) + 0.5, torch.randint(4, (2, 700))
    sums, counts = concept_affinity(pixels, labels, 4)
    lower, same = concept_affinity(pixels, labels, 4, products=torch.bfloat16)
    assert lower.dtype == same.dtype == torch.float32
    assert torch.equal(counts, same)
    pairs = counts[:, :, None] * counts[:, None]
    assert not torch.equal(lower, sums)
    torch.testing.assert_close(lower / pairs, sums / pairs, atol=1e-3, rtol=0)


def test_a_group_has_the_best_score_of_its_concepts():
    scores = torch.tensor([[[0.1, 0.5, 0.9], [0.7, 0.2, 0.1]]])
    merged = merge_scores(scores, torch.tensor([[0, 1, 0]]))
    torch.testing.assert_close(merged, torch.tensor([[[0.9, 0.5, -2.0], [0.7, 0.2, -2.0]]]))


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"expected pixels \(B, N, D\)"):
        concept_affinity(torch.zeros(1, 3, 2), torch.zeros(1, 4, dtype=torch.long), 2)


def test_non_contiguous_and_half_precision():
    torch.manual_seed(1)
    pixels = torch.randn(1, 6, 5).transpose(1, 2).bfloat16()
    labels = torch.tensor([[0, 1, 0, 1, 0]])
    sums, _ = concept_affinity(pixels, labels, 2)
    again, _ = concept_affinity(pixels.contiguous().float(), labels, 2)
    torch.testing.assert_close(sums, again)


def test_alike_concepts_become_one_and_their_group_is_told():
    pixels = torch.tensor([[[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]])
    concepts = torch.tensor([[[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]])
    scores = concept_scores(pixels, concepts)
    merged, group = merge_alike(pixels, scores, 0.5)
    assert group.tolist() == [[0, 0, 2]]
    assert assign(merged).tolist() == [[0, 0, 2]]
    torch.testing.assert_close(merged, merge_scores(scores, group))


@pytest.mark.parametrize("threshold", [1.0, 2, float("inf"), torch.tensor([1.0, torch.inf])])
def test_nothing_merges_without_a_threshold_below_one(threshold):
    scores = torch.rand(2, 5, 3)
    same, group = merge_alike(torch.ones(2, 5, 4), scores, threshold)
    assert same is scores
    assert group.tolist() == [[0, 1, 2], [0, 1, 2]]
