import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.classes.foreground import foreground_scores, split_foreground


def plain_split(scores: list[float]) -> list[bool]:
    """Try every threshold between two different scores."""
    values = np.sort(np.array(scores, dtype=np.float64))
    best, threshold = None, -np.inf
    for cut in range(1, len(values)):
        if values[cut] == values[cut - 1]:
            continue
        low, high = values[:cut], values[cut:]
        within = ((low - low.mean()) ** 2).sum() + ((high - high.mean()) ** 2).sum()
        if best is None or within < best - 1e-12 * max(1.0, abs(best)):
            best, threshold = within, values[cut]
    return [score >= threshold for score in scores]


# Eighths are exact in every step of both formulas, so that equal cuts are equal cuts.
scores_of_an_image = st.lists(st.integers(0, 40).map(lambda x: x / 8), min_size=1, max_size=7)


@settings(deadline=None, max_examples=150)
@given(scores_of_an_image)
def test_split_is_the_best_threshold(scores):
    found = split_foreground(torch.tensor(scores, dtype=torch.float64)).tolist()
    plain = plain_split(scores)
    if found != plain:  # two cuts equally good up to rounding: compare what they reach

        def within(split):
            groups = [np.array(scores)[np.array(split) == side] for side in (False, True)]
            return sum(((g - g.mean()) ** 2).sum() for g in groups if len(g))

        assert within(found) == pytest.approx(within(plain), rel=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.lists(scores_of_an_image, min_size=1, max_size=5), st.integers(0, 100))
def test_images_are_split_each_on_its_own(images, seed):
    scores = torch.tensor([score for image in images for score in image])
    image = torch.tensor([row for row, one in enumerate(images) for _ in one])
    alone = torch.cat([split_foreground(torch.tensor(one)) for one in images])
    assert torch.equal(split_foreground(scores, image), alone)
    mixed = torch.from_numpy(np.random.default_rng(seed).permutation(len(scores)))
    assert torch.equal(split_foreground(scores[mixed], image[mixed] * 3), alone[mixed])


def test_two_groups_one_region_and_equal_scores():
    assert split_foreground(torch.tensor([0.1, 0.9, 0.2, 0.8])).tolist() == [0, 1, 0, 1]
    assert split_foreground(torch.tensor([0.1])).tolist() == [True]
    assert split_foreground(torch.tensor([0.3, 0.3, 0.3])).tolist() == [True] * 3
    assert split_foreground(torch.tensor([0.0, 1.0, 2.0])).tolist() == [False, True, True]
    assert split_foreground(torch.zeros(0)).shape == (0,)


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 6), pixels=st.integers(0, 30), seed=st.integers(0, 1000))
def test_scores_are_sums_and_means(n, pixels, seed):
    rng = np.random.default_rng(seed)
    attention, labels = rng.random(pixels), rng.integers(0, n, pixels)
    given_both = torch.from_numpy(attention), torch.from_numpy(labels), n
    sums = foreground_scores(*given_both)
    means = foreground_scores(*given_both, reduce="mean")
    for label in range(n):
        own = attention[labels == label]
        assert sums[label].item() == pytest.approx(own.sum(), abs=1e-5)
        assert means[label].item() == pytest.approx(own.mean() if len(own) else 0, abs=1e-5)


def test_sum_favours_the_large_region_and_mean_does_not():
    attention = torch.tensor([0.1] * 9 + [0.5])
    labels = torch.tensor([0] * 9 + [1])
    assert foreground_scores(attention, labels, 2).argmax() == 0
    assert foreground_scores(attention, labels, 2, reduce="mean").argmax() == 1


def test_errors_name_what_is_wrong():
    good = torch.rand(3), torch.tensor([0, 1, 1]), 2
    with pytest.raises(ValueError, match="'max'"):
        foreground_scores(*good, reduce="max")
    with pytest.raises(ValueError, match="attention"):
        foreground_scores(torch.rand(3, 1), *good[1:])
    with pytest.raises(ValueError, match="labels"):
        foreground_scores(torch.rand(4), *good[1:])
    with pytest.raises(ValueError, match="finite"):
        split_foreground(torch.tensor([0.1, float("nan")]))
    with pytest.raises(ValueError, match="expected scores"):
        split_foreground(torch.rand(3), torch.zeros(2))
