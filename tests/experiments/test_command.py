import json
from pathlib import Path

import pytest

from acseg.cli import main

RECIPE = """
title = "A trial"
[data]
name = "folder"
[settings]
side = 48
method = "kmeans"
k = 3
descriptor = "mean-token"
[[rows]]
name = "retrieval"
classify = "retrieval"
expected = 99.0
source = "nobody"
[[rows]]
name = "masks"
classify = "none"
protocol = "image"
"""


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["reproduce", *arguments])
    return int(ended.value.code or 0)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def test_a_recipe_prints_and_writes_its_table(
    recipe: Path,
    labelled: Path,
    tiny_backbone: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "rows.json"
    common = [str(recipe), "--root", str(labelled), "--backbone", str(tiny_backbone)]
    assert run(*common, "--seeds", "0,1", "--images", "4", "--device", "cpu", "-o", str(out)) == 0
    table = capsys.readouterr().out
    assert "| retrieval | classes known (retrieval) | 2 | mIoU |" in table
    assert "| 99.0 | nobody |" in table
    rows = json.loads(out.read_text())["rows"]
    assert [row["name"] for row in rows] == ["retrieval", "masks"]
    assert rows[0]["seeds"] == [0, 1]
    assert rows[0]["figures"]["mIoU"]["mean"] > 60


def test_seeds_that_are_no_numbers_are_wrong_usage(recipe: Path, labelled: Path) -> None:
    assert run(str(recipe), "--root", str(labelled), "--seeds", "a,b") == 2


def test_a_wrong_recipe_is_wrong_usage(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(tmp_path / "none.toml"), "--root", str(labelled)) == 2
    assert "cannot read the recipe" in capsys.readouterr().err
