import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.classes.foreground import background_agrees, split_foreground
from acseg.classes.regions import Regions


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
EIGHTHS = st.integers(0, 40).map(lambda x: x / 8)
scores_of_a_picture = st.lists(EIGHTHS, min_size=1, max_size=7)


@settings(deadline=None, max_examples=150)
@given(scores_of_a_picture)
def test_split_is_the_best_threshold(scores: list[float]) -> None:
    found = split_foreground(torch.tensor(scores, dtype=torch.float64)).tolist()
    plain = plain_split(scores)
    if found != plain:  # two cuts equally good up to rounding: compare what they reach

        def within(split: list[bool]) -> float:
            groups = [np.array(scores)[np.array(split) == side] for side in (False, True)]
            return float(sum(((g - g.mean()) ** 2).sum() for g in groups if len(g)))

        assert within(found) == pytest.approx(within(plain), rel=1e-9)


@settings(deadline=None, max_examples=60)
@given(scores_of_a_picture, st.randoms(use_true_random=False))
def test_the_order_of_regions_does_not_matter(scores: list[float], random) -> None:
    order = random.sample(range(len(scores)), len(scores))
    found = split_foreground(torch.tensor(scores))
    assert torch.equal(split_foreground(torch.tensor(scores)[order]), found[order])


def test_two_groups_one_region_and_equal_scores() -> None:
    assert split_foreground(torch.tensor([0.1, 0.9, 0.2, 0.8])).tolist() == [0, 1, 0, 1]
    assert split_foreground(torch.tensor([0.1])).tolist() == [True]
    assert split_foreground(torch.tensor([0.3, 0.3, 0.3])).tolist() == [True] * 3
    assert split_foreground(torch.tensor([0.0, 1.0, 2.0])).tolist() == [False, True, True]
    assert split_foreground(torch.zeros(0)).shape == (0,)


def regions(
    size: list[float], attention: list[float], border: list[float] | None = None
) -> Regions:
    rim = border or [0.0] * len(size)
    of = [torch.tensor(values, dtype=torch.float64) for values in (size, attention, rim)]
    return Regions(torch.arange(len(size)), torch.eye(len(size)), *of)


def test_sum_favours_the_large_region_and_mean_does_not() -> None:
    both = regions([90, 10], [9.0, 5.0])
    assert both.foreground("sum").tolist() == [True, False]
    assert both.foreground("mean").tolist() == [False, True]
    assert both.foreground("none") is None


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(1, 30), EIGHTHS, st.integers(0, 30)), max_size=6))
def test_a_background_lies_more_on_the_rim_than_the_figure(
    found: list[tuple[int, float, int]],
) -> None:
    size = [n for n, _, _ in found]
    attention = [n * mean for n, mean, _ in found]
    border = [min(rim, n) for n, _, rim in found]
    given_all = [torch.tensor(v, dtype=torch.float64) for v in (size, attention, border)]
    front = split_foreground(given_all[1] / given_all[0]).tolist() if found else []
    if len(set(front)) < 2:  # one region, or all attended to alike
        assert background_agrees(*given_all) is None
        return
    share = {}
    for side in (False, True):
        own = [i for i, chosen in enumerate(front) if chosen == side]
        share[side] = sum(border[i] for i in own) / sum(size[i] for i in own)
    assert background_agrees(*given_all) == (share[False] > 2 * share[True])


def test_a_frame_around_a_figure_is_a_background_and_a_figure_at_the_rim_is_not() -> None:
    size, rim = torch.tensor([64.0, 36.0]), torch.tensor([36.0, 0.0])
    assert background_agrees(size, torch.tensor([6.4, 36.0]), rim) is True
    assert background_agrees(size, torch.tensor([64.0, 3.6]), rim) is False
    assert background_agrees(size, torch.tensor([64.0, 36.0]), rim) is None


def test_errors_name_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="finite"):
        split_foreground(torch.tensor([0.1, float("nan")]))
    with pytest.raises(ValueError, match=r"\(3, 1\)"):
        split_foreground(torch.rand(3, 1))
