import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from acseg.errors import DataError
from acseg.images import bands
from acseg.images.bands import (
    Measure,
    Reading,
    UnfitError,
    check_bands,
    check_stretch,
    parse_bands,
    parse_stretch,
    shown_bands,
    to_bytes,
)


@pytest.mark.parametrize(
    ("text", "found"), [("4,3,2", (4, 3, 2)), ("8", (8,)), ("1, 1 ,1", (1,) * 3)]
)
def test_bands_are_read(text: str, found: tuple[int, ...]) -> None:
    assert parse_bands(text) == found


@pytest.mark.parametrize("text", ["", "0,1,2", "1,2", "1,2,3,4", "a", "1.5", "-1", "1,2,99999"])
def test_bands_that_are_none_are_quoted(text: str) -> None:
    with pytest.raises(DataError, match=r"such as 4,3,2, not '"):
        parse_bands(text)


@pytest.mark.parametrize(
    ("text", "found"), [("2,98", (2, 98)), ("0,100", (0, 100)), ("0.5,99.5", (0.5, 99.5))]
)
def test_a_stretch_is_read(text: str, found: tuple[float, float]) -> None:
    assert parse_stretch(text) == found


@pytest.mark.parametrize(
    "text", ["", "2", "98,2", "5,5", "-1,98", "2,101", "nan,98", "2,98,99", "a,b"]
)
def test_a_stretch_that_is_none_is_quoted(text: str) -> None:
    with pytest.raises(DataError, match=r"such as 2,98, not '"):
        parse_stretch(text)


@pytest.mark.parametrize("value", [True, "432", [1, 2], [True, 2, 3], {1, 2, 3}, [1.0, 2, 3]])
def test_bands_of_a_stranger_are_checked(value: object) -> None:
    with pytest.raises(ValueError, match="bands"):
        check_bands(value)
    with pytest.raises(ValueError, match="stretch"):
        check_stretch([value, 98])


def test_which_bands_are_shown() -> None:
    assert shown_bands(12, Reading((4, 3, 2))) == (4, 3, 2)
    assert shown_bands(5, Reading()) == (1, 2, 3)
    assert shown_bands(2, Reading(stretch=(2, 98))) == (1,)
    with pytest.raises(UnfitError, match="has 3 bands, so there is no band 4"):
        shown_bands(3, Reading((4, 3, 2)))
    with pytest.raises(UnfitError, match="has 1 band, so there is no band 2"):
        shown_bands(1, Reading((2,)))


def stretched(values: np.ndarray, stretch: tuple[float, float] | None, **more: float) -> np.ndarray:
    measure = Measure(values.shape[0] * values.shape[1], stretch, **more)
    measure.add(values)
    return to_bytes(values, measure.limits(), **more)


@settings(deadline=None)
@given(arrays(np.uint16, st.tuples(st.integers(2, 9), st.integers(2, 9), st.integers(1, 4))))
def test_percentiles_are_those_of_numpy_for_each_band(values: np.ndarray) -> None:
    found = stretched(values, (10, 90))
    for c in range(values.shape[2]):
        low, high = np.percentile(values[..., c], [10, 90])
        wanted = ((values[..., c] - low) / ((high - low) or 1)).clip(0, 1) * 255
        assert np.abs(found[..., c] - wanted).max() <= 0.5 + 1e-9


def test_without_a_stretch_all_bands_share_the_range() -> None:
    values = np.array([[[0, 500], [1000, 600]]], np.uint16)
    assert stretched(values, None).tolist() == [[[0, 128], [255, 153]]]
    assert stretched(values, (0, 100)).tolist() == [[[0, 0], [255, 255]]]


@pytest.mark.parametrize("stretch", [None, (0, 100), (2, 98)])
def test_what_is_not_measured_is_black_and_moves_no_limit(stretch: tuple[float, float]) -> None:
    values = np.linspace(10, 20, 400).reshape(20, 20, 1)
    wanted = stretched(values, stretch)
    holes = values.copy()
    holes = np.concatenate([holes, np.full((3, 20, 1), -9999.0)])
    holes = np.concatenate([holes, np.full((1, 20, 1), np.nan), np.full((1, 20, 1), np.inf)])
    found = stretched(holes, stretch, nodata=-9999)
    np.testing.assert_array_equal(found[:20], wanted)
    assert found[20:].max() == 0


def test_a_picture_without_any_value_is_refused() -> None:
    for stretch in (None, (2, 98)):
        with pytest.raises(UnfitError, match="no finite value"):
            stretched(np.full((3, 3, 1), np.nan), stretch)


def test_a_band_without_values_and_a_constant_one_are_black() -> None:
    values = np.zeros((4, 4, 3), np.float32)
    values[..., 1] = np.nan
    values[..., 2] = np.linspace(0, 1, 16).reshape(4, 4)
    found = stretched(values, (0, 100))
    assert found[..., :2].max() == 0
    assert found[..., 2].max() == 255


def test_pieces_give_the_limits_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "SAMPLE", 900)
    values = np.random.default_rng(0).normal(size=(120, 75, 2)).cumsum(0)
    for stretch in ((2, 98), None, (0, 100)):
        whole, cut = (Measure(120 * 75, stretch) for _ in range(2))
        whole.add(values)
        for top in range(0, 120, 17):
            cut.add(values[top : top + 17], top=top)
        np.testing.assert_array_equal(whole.limits().low, cut.limits().low)
        np.testing.assert_array_equal(whole.limits().high, cut.limits().high)
