"""A labelled folder of pictures in coloured areas, and recipes about it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acseg.experiments.recipe import Recipe, Row

COLOURS = np.array([(200, 30, 30), (30, 180, 40), (30, 60, 210)])


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures: 0 is red above, 1 green below on the left, 2 blue below on the right."""
    root = tmp_path_factory.mktemp("labelled")
    (root / "images").mkdir()
    (root / "masks").mkdir()
    random = np.random.default_rng(0)
    for number in range(8):
        mask = np.zeros((48, 64), np.uint8)
        down, across = random.integers(16, 32), random.integers(20, 44)
        mask[down:, :across], mask[down:, across:] = 1, 2
        picture = COLOURS[mask] + random.normal(0, 6, (48, 64, 3))
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(
            root / "images" / f"{number}.png"
        )
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    return root


@pytest.fixture
def recipe_of(tiny_backbone: Path) -> Callable[..., Recipe]:
    """Make a recipe of one row about the labelled folder."""

    def make(**settings: Any) -> Recipe:
        small = {"backbone": str(tiny_backbone), "side": 48, "steps": 3, "batch": 4, "merge": 1.0}
        small |= {"name": "row", "descriptor": "mean-token", "foreground": "none", "k": 3}
        return Recipe(title="A trial", data="folder", rows=(Row(**(small | settings)),))

    return make
