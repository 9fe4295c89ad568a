import numpy as np
import pytest

from acseg.evaluation.results import ImageScore
from acseg.experiments.analyses import Bin, by_classes, diversity


def scored(*pairs: tuple[int, int], miou: float = 0.5) -> list[ImageScore]:
    return [
        ImageScore(str(i), miou + 0.1 * i, 0.2, None, classes, clusters)
        for i, (classes, clusters) in enumerate(pairs)
    ]


def test_pictures_are_grouped_by_the_classes_present() -> None:
    bins = by_classes(scored((3, 4), (2, 1), (3, 6)))
    assert [b.classes for b in bins] == [2, 3]
    assert bins[0] == Bin(2, 1, 1.0, pytest.approx(0.6), pytest.approx(0.2))
    assert (bins[1].images, bins[1].concepts) == (2, 5.0)
    assert bins[1].miou == pytest.approx((0.5 + 0.7) / 2)


def test_concepts_that_follow_the_classes_correlate() -> None:
    assert diversity(scored((1, 2), (2, 3), (5, 6))) == pytest.approx(1.0)
    pairs = [(1, 4), (2, 2), (3, 5), (4, 4)]
    wanted = np.corrcoef([p[0] for p in pairs], [p[1] for p in pairs])[0, 1]
    assert diversity(scored(*pairs)) == pytest.approx(wanted)


@pytest.mark.parametrize("pairs", [[], [(2, 3)], [(2, 3), (4, 3)], [(2, 3), (2, 4)]])
def test_without_any_change_there_is_no_correlation(pairs: list[tuple[int, int]]) -> None:
    assert diversity(scored(*pairs)) is None
