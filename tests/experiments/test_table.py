import numpy as np
import pytest

from acseg.experiments.recipe import Recipe, Row
from acseg.experiments.table import Measured, grid, markdown, protocol_name

ROW = Row(name="ACG", expected=47.1, spread=2.4, source="a paper")
MEASURED = Measured(
    ROW,
    (0, 1, 2),
    tuple({"mIoU": v, "pixel accuracy": v + 10} for v in (40.0, 44.0, 45.0)),
)


def test_mean_and_spread_over_the_seeds() -> None:
    assert MEASURED.mean("mIoU") == pytest.approx(43.0)
    assert MEASURED.spread("mIoU") == pytest.approx(np.std([40, 44, 45]))


def test_the_measured_stands_beside_the_published() -> None:
    table = markdown(Recipe(title="T", table="Where from", data="voc", rows=(ROW,)), [MEASURED])
    assert "### T" in table
    assert "Where from" in table
    assert "| ACG | P1 collection | 3 | mIoU | 43.0 +- 2.2 | 47.1 +- 2.4 | a paper |" in table
    assert "| ACG | P1 collection | 3 | pixel accuracy | 53.0 +- 2.2 |  |  |" in table


def test_one_seed_has_no_spread() -> None:
    row = Row(name="x", classify="none", protocol="image")
    table = markdown(
        Recipe(title="T", data="voc", rows=(row,)), [Measured(row, (0,), ({"mIoU": 12.34},))]
    )
    assert "| x | P3 image | 1 | mIoU | 12.3 |  |  |" in table


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({}, "P1 collection"),
        ({"protocol": "overcluster"}, "P2 over-clustering"),
        ({"protocol": "image", "classify": "none"}, "P3 image"),
        ({"classify": "retrieval"}, "classes known (retrieval)"),
        ({"classify": "linear"}, "classes known (linear)"),
    ],
)
def test_protocols_are_named_apart(row: dict[str, str], name: str) -> None:
    assert protocol_name(Row(name="x", **row)) == name  # type: ignore[arg-type]


def test_rows_for_machines_hold_all_that_is_known() -> None:
    row = MEASURED.to_dict()
    assert row["figures"]["mIoU"] == {"mean": pytest.approx(43.0), "std": pytest.approx(2.16, 0.01)}
    assert row["seeds"] == [0, 1, 2]
    assert (row["expected"], row["source"], row["protocol"]) == (47.1, "a paper", "P1 collection")


def test_methods_stand_against_protocols() -> None:
    def one(name: str, value: float) -> Measured:
        return Measured(Row(name=name), (0, 1), ({"mIoU": value - 1}, {"mIoU": value + 1}))

    rows = [one("A; P1", 10), one("B; P1", 20), one("A; 1-NN", 30), one("pixels", 5)]
    assert grid(rows) == [
        "| mIoU | P1 | 1-NN |",
        "|---|---|---|",
        "| A | 10.0 +- 1.0 | 30.0 +- 1.0 |",
        "| B | 20.0 +- 1.0 |  |",
        "",
    ]
    assert "| A | 10.0 +- 1.0 | 30.0 +- 1.0 |" in markdown(Recipe(title="T", data="voc"), rows)
    assert grid(rows[:2]) == []  # one protocol
    assert grid([MEASURED]) == []
