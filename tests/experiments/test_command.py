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
TRIAL = ("--seeds", "0,1", "--images", "4", "--device", "cpu")


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
    out = tmp_path / "rows.jsonl"
    common = [str(recipe), "--root", str(labelled), "--backbone", str(tiny_backbone)]
    assert run(*common, *TRIAL, "-o", str(out)) == 0
    table = capsys.readouterr().out
    assert "| retrieval | classes known (retrieval) | 2 | mIoU |" in table
    assert "| 99.0 | nobody |" in table
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    done = [(line["row"], line["seed"]) for line in lines]
    assert done == [("retrieval", 0), ("retrieval", 1), ("masks", 0), ("masks", 1)]
    assert lines[0]["figures"]["mIoU"] > 60


def test_json_has_the_rows_with_their_means(
    recipe: Path, labelled: Path, tiny_backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [str(recipe), "--root", str(labelled), "--backbone", str(tiny_backbone)]
    assert run(*common, *TRIAL, "--json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["name"] for row in rows] == ["retrieval", "masks"]
    assert rows[0]["seeds"] == [0, 1]
    assert rows[0]["figures"]["mIoU"]["mean"] > 60


def test_a_run_that_was_killed_goes_on(
    recipe: Path,
    labelled: Path,
    tiny_backbone: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from acseg.experiments.experiment import Experiment

    out, whole = tmp_path / "rows.jsonl", Experiment.run
    common = [str(recipe), "--root", str(labelled), "--backbone", str(tiny_backbone)]
    common += [*TRIAL, "-o", str(out)]
    begun: list[tuple[str, int]] = []

    def killed(self: Experiment) -> object:
        begun.append((self.row.name, self.seed))
        if len(begun) == 3:
            raise KeyboardInterrupt
        return whole(self)

    monkeypatch.setattr(Experiment, "run", killed)
    assert run(*common) != 0
    assert len(out.read_text().splitlines()) == 2
    assert run(*common) == 0
    assert begun[2:] == [("masks", 0), ("masks", 0), ("masks", 1)]  # from where it was
    table = capsys.readouterr().out
    assert run(*common) == 0  # nothing left to do
    assert capsys.readouterr().out == table
    assert len(begun) == 5


def test_seeds_that_are_no_numbers_are_wrong_usage(recipe: Path, labelled: Path) -> None:
    assert run(str(recipe), "--root", str(labelled), "--seeds", "a,b") == 2


def test_a_wrong_recipe_is_wrong_usage(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(tmp_path / "none.toml"), "--root", str(labelled)) == 2
    assert "cannot read the recipe" in capsys.readouterr().err


def test_a_row_that_cannot_be_run_costs_the_others_nothing(
    recipe: Path,
    labelled: Path,
    tiny_backbone: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = '[[rows]]\nname = "too many"\nclasses = 200\n[[rows]]\nname = "gone"\nbackbone = "{}"\n'
    recipe.write_text(RECIPE.replace("[settings]", f'[settings]\nbackbone = "{tiny_backbone}"'))
    with recipe.open("a") as file:
        file.write(more.format(tmp_path / "nowhere"))
    out = tmp_path / "rows.jsonl"
    assert run(str(recipe), "--root", str(labelled), *TRIAL, "-o", str(out)) == 1
    said = capsys.readouterr()
    assert "| retrieval | classes known (retrieval) | 2 |" in said.out
    assert "too many" not in said.out
    assert "too many, seed 1: 199 classes need at least 199 different" in said.err
    assert "gone, seed 0: " in said.err
    assert len(out.read_text().splitlines()) == 4


def test_a_data_set_that_is_not_there_is_said_once(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(recipe), "--root", str(tmp_path / "nowhere")) == 2
    assert capsys.readouterr().err.count("nowhere") == 1
