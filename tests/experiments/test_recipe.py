from pathlib import Path

import pytest

from acseg.errors import DataError
from acseg.experiments.recipe import Row, read_recipe

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
GOOD = """
title = "A table"
[data]
name = "voc"
fit = "train"
score = "val"
[settings]
k = 7
[[rows]]
name = "one"
expected = 47.1
[[rows]]
name = "two"
k = 3
"""


def test_rows_take_what_they_share_and_change_what_they_name(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(GOOD)
    recipe = read_recipe(path)
    assert (recipe.title, recipe.data, recipe.fit, recipe.score) == (
        "A table",
        "voc",
        "train",
        "val",
    )
    assert [row.k for row in recipe.rows] == [7, 3]
    assert [row.expected for row in recipe.rows] == [47.1, None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('name = "voc"', 'name = "vok"'), r"\[data\] needs a name, one of voc"),
        (('score = "val"', 'scored = "val"'), r"\[data\] has no 'scored'"),
        (("k = 7", "kk = 7"), "a row has no 'kk'"),
        (("k = 7", "k = 0"), "k = 0: expected a whole number from 1"),
        (("k = 7", 'method = "magic"'), "method = 'magic': expected one of acg, pixels, kmeans"),
        (("k = 7", 'protocol = "image"'), 'the protocol "image" goes with classify = "none"'),
        (("k = 7", 'classify = "text"'), 'classify = "text" needs text_model'),
        (("k = 7", 'method = "pixels"\nclassify = "linear"'), "has no regions"),
        (('name = "two"', ""), r"each of \[\[rows\]\] needs a name"),
        (('score = "val"', 'crop = "round"'), "crop 'round' is unknown"),
        (("[data]", "[data"), "cannot read the recipe"),
        (('title = "A table"', "colour = 3"), "the recipe has no 'colour'"),
        (('name = "two"', 'name = "one"'), "two rows are called 'one'"),
        (("[[rows]]", "[[methods]]"), r"\[\[methods\]\] and \[\[protocols\]\] go together"),
        (("[settings]", "[methods]"), r"expected \[\[methods\]\] with two brackets"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    path = tmp_path / "a.toml"
    path.write_text(GOOD.replace(*change, 1))
    with pytest.raises(DataError, match=message) as caught:
        read_recipe(path)
    assert "a.toml" in str(caught.value)


def test_every_method_meets_every_protocol(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(
        GOOD
        + """
[[methods]]
name = "few"
method = "kmeans"
k = 2
[[methods]]
name = "many"
k = 9
[[protocols]]
name = "P1"
[[protocols]]
name = "5-NN"
classify = "retrieval"
neighbours = 5
"""
    )
    rows = read_recipe(path).rows
    names = ["few; P1", "many; P1", "few; 5-NN", "many; 5-NN", "one", "two"]
    assert [row.name for row in rows] == names
    assert [row.k for row in rows] == [2, 9, 2, 9, 7, 3]
    assert [row.method for row in rows] == ["kmeans", "acg", "kmeans", "acg", "acg", "acg"]
    assert [row.neighbours for row in rows] == [1, 1, 5, 5, 1, 1]


def test_a_row_tells_what_its_figures_depend_on() -> None:
    row = Row(name="a", k=3, expected=1.0, spread=0.1, source="b")
    assert row.measured() == Row(name="c", k=3).measured()
    assert row.measured() != Row(name="a", k=4).measured()
    assert row.measured() != Row(name="a", k=3, figure="images/s").measured()


def test_a_recipe_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[data]\nname = "voc"\n')
    with pytest.raises(DataError, match="at least one"):
        read_recipe(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read the recipe .*none\.toml"):
        read_recipe(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "path",
    [p for p in sorted(RECIPES.glob("*.toml")) if not p.name.startswith("bundled")],
    ids=lambda p: p.stem,
)
def test_every_recipe_of_the_project_can_be_read(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.title
    assert recipe.cost
    names = [row.name for row in recipe.rows]
    assert len(set(names)) == len(names)
    assert all(row.source for row in recipe.rows if row.expected is not None)


def test_a_row_has_the_defaults_of_the_paper() -> None:
    row = Row(name="x")
    assert (row.method, row.k, row.steps, row.descriptor, row.foreground) == (
        "acg",
        5,
        2500,
        "crop",
        "sum",
    )
