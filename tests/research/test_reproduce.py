import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from acseg.backbone.features import Features
from acseg.errors import DataError
from acseg.evaluation.confusion import Confusion, confusion
from acseg.evaluation.scores import covering, matched_iou
from research.classes import scored
from research.divisions import parts_of
from research.recipe import Recipe
from research.reproduce import main

RECIPE = """
title = "Tiny"
backbone = "{backbone}"
side = 48
sets = ["toys", "lost"]
rows = [
    {{ name = "default" }},
    {{ name = "bilinear", edges = false, granularity = 0.7 }},
    {{ name = "two blocks", division = "kmeans-2", blocks = [1, 2] }},
    {{ name = "ncut", division = "ncut" }},
    {{ name = "spectral", division = "spectral-2" }},
    {{ name = "agglomerative", division = "agglomerative-3" }},
    {{ name = "unknown", division = "tea-leaves" }},
    {{ name = "no such block", blocks = [99] }},
    {{ name = "no generator", division = "generator" }},
    {{ name = "regions", protocol = "P1" }},
    {{ name = "tokens", protocol = "P1", division = "tokens" }},
    {{ name = "tokens, bilinear", protocol = "P1", division = "tokens", edges = false }},
    {{ name = "near", division = "kmeans-2", protocol = "1-NN" }},
    {{ name = "probe", division = "kmeans-2", protocol = "linear" }},
]
[[published]]
name = "others"
P3 = 12.3
"""
FAIL = {"unknown", "no such block", "no generator", "every row"}


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Path:
    """A set of black and white halves with their masks, beside a recipe."""
    root = tmp_path_factory.mktemp("toys")
    for name in ("images", "masks"):
        (root / "toys" / name).mkdir(parents=True)
    for n in range(6):
        mask = np.zeros((48, 64), np.uint8)
        mask[:, 16 * (n % 3 + 1) :] = 1
        noise = np.random.default_rng(n).integers(0, 20, (48, 64, 3))
        picture = (mask[..., None] * 220 + noise).astype(np.uint8)
        Image.fromarray(picture).save(root / "toys/images" / f"{n}.png")
        Image.fromarray(mask).save(root / "toys/masks" / f"{n}.png")
    (root / "recipe.toml").write_text(RECIPE.format(backbone=tiny_backbone.as_posix()))
    return root


def run(root: Path, out: Path, *more: str) -> int:
    return main([str(root / "recipe.toml"), "--root", str(root), "-o", str(out), *more])


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_recipe_runs_and_goes_on(toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "results.jsonl"
    assert run(toys, out, "--images", "4") == 1
    said = capsys.readouterr().out
    first = lines(out)
    assert {one["row"] for one in first if "failed" in one} == FAIL
    for name in FAIL:
        assert f"failed: {name}, " in said
    assert "there are exact, generator" in said
    assert "| others | 12.3 |" in said
    halves = [one for one in first if one["row"] == "two blocks"]
    assert len(halves) == 4
    assert min(one["P3"] for one in halves) > 80
    assert {one["seed"] for one in first if one["row"] == "regions"} == {0, 1, 2}
    assert all(one["low"] <= one["mIoU"] <= one["high"] for one in first if "seed" in one)

    whole = out.read_text()
    out.write_text(whole[: whole.index('"row": "near"') + 5])  # killed while writing
    assert run(toys, out, "--images", "4") == 1
    assert capsys.readouterr().out == said
    keep = [one for one in first if "failed" not in one]
    again = [one for one in lines(out) if "failed" not in one]
    assert again == keep  # times included: nothing was measured twice

    assert run(toys, out) == 1
    assert len([one for one in lines(out) if one["row"] == "default"]) == 6


def test_fits_on_one_split_and_scores_on_the_other(toys: Path, tmp_path: Path):
    text = (toys / "recipe.toml").read_text()
    backbone = next(line for line in text.splitlines() if line.startswith("backbone"))
    (tmp_path / "recipe.toml").write_text(
        f"""title = "Splits"
        {backbone}
        side = 48
        sets = ["toys"]
        fit = "odd"
        score = "even"
        crop = "centre-320"
        rows = [
            {{ name = "tokens", protocol = "P1", division = "tokens" }},
            {{ name = "near", protocol = "5-NN", division = "kmeans-3" }},
            {{ name = "halves", division = "kmeans-2" }},
        ]"""
    )
    out = tmp_path / "results.jsonl"
    assert main([str(tmp_path / "recipe.toml"), "--root", str(toys), "-o", str(out)]) == 0
    found = lines(out)
    assert {one["pictures"] for one in found if "seed" in one} == {3}
    assert [one["picture"] for one in found if one["row"] == "halves"] == ["1", "3", "5"]


@pytest.mark.parametrize("edges", [False, True])
def test_p3_of_a_perfect_division_is_one(edges: bool):
    truth = np.zeros((6, 8), np.int64)
    truth[:, 3:5], truth[:, 5:] = 1, 2
    tokens = torch.eye(3)[torch.from_numpy(truth.ravel())]
    features = Features(tokens[None], (6, 8), torch.zeros(1, 48))
    mask = truth.repeat(8, 0).repeat(8, 1)
    picture = np.repeat(100 * mask[..., None], 3, 2).astype(np.uint8)
    drawn = parts_of(features, truth.ravel()).draw(picture, edges=edges)
    assert matched_iou(confusion(drawn, mask)) == covering(confusion(drawn, mask)) == 1


def test_one_match_for_the_whole_set():
    swapped = Confusion(np.array([[0, 5], [5, 0]]), np.zeros(2, np.int64))
    assert scored([swapped] * 3, match=True)["mIoU"] == 100
    assert scored([swapped] * 3, match=False)["mIoU"] == 0


@pytest.mark.parametrize(
    "text",
    [
        "title = 'x'\nrows = [{ name = 'a', protocol = 'P9' }]",
        "title = 'x'\nrows = [{ name = 'a' }, { name = 'a' }]",
        "title = 'x'\nrows = []\ntea = 1",
        "title = ",
    ],
)
def test_a_wrong_recipe_is_named(tmp_path: Path, text: str):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"wrong\.toml"):
        Recipe.read(path)


def test_shipped_recipes_can_be_read():
    folder = Path(__file__).parents[2] / "research" / "recipes"
    assert sorted(path.stem for path in folder.glob("*.toml")) == [
        "classes",
        "coco-stuff-27-subset",
        "division",
    ]
    for path in folder.glob("*.toml"):
        assert Recipe.read(path).rows
