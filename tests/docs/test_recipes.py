import re
from pathlib import Path

from acseg.experiments.recipe import read_recipe

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")


def test_every_recipe_is_on_the_page_and_every_one_on_the_page_is_there() -> None:
    named = set(re.findall(r"`(recipes/[\w.-]+)`", PAGE))
    there = {f"recipes/{path.name}" for path in (ROOT / "recipes").iterdir() if path.is_file()}
    assert named == there


def test_the_page_says_what_the_recipes_say_was_published() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    compared = 0
    for name in re.findall(r"`recipes/((?:voc|coco)[\w-]*)\.toml`", PAGE):
        (line,) = [each for each in lines if f"`recipes/{name}.toml`" in each]
        recipe = read_recipe(ROOT / "recipes" / f"{name}.toml")
        for row in recipe.rows:
            if row.expected is not None and row.method == "acg":
                assert str(row.expected) in line, (name, row.name)
                compared += 1
    assert compared >= 8
