from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from acseg.classes.text import TextPixels
from acseg.errors import DataError
from acseg.experiments import experiment as module
from acseg.experiments.experiment import Experiment
from acseg.experiments.objectives import OBJECTIVES
from acseg.experiments.recipe import Recipe
from acseg.experiments.reproduce import reproduce

Make = Callable[..., Recipe]


def figures(recipe: Recipe, root: Path, **settings: Any) -> dict[str, float]:
    [(_, result)] = reproduce(recipe, root, seeds=[0], device="cpu", **settings)
    assert result.failed == {}
    return result.figures


@pytest.mark.parametrize(
    "row",
    [
        {"classify": "retrieval"},
        {"classify": "retrieval", "neighbours": 5, "flip": True},
        {"classify": "linear", "upsample": "labels"},
        {"classify": "linear", "refine": "guided"},
        {"classify": "clusters", "classes": 3},
        {"classify": "clusters", "classes": 3, "match": "iou"},
        {"classify": "clusters", "protocol": "overcluster", "classes": 5},
        {"classify": "none", "protocol": "image"},
    ],
    ids=lambda row: " ".join(map(str, row.values())),
)
def test_areas_of_three_colours_are_found(recipe_of: Make, labelled: Path, row: Any) -> None:
    found = figures(recipe_of(method="kmeans", **row), labelled)
    assert found["mIoU"] > 60


def test_pixels_of_the_collection_are_a_baseline(recipe_of: Make, labelled: Path) -> None:
    found = figures(recipe_of(method="pixels", classes=3), labelled)
    assert found["mIoU"] > 60
    assert "images/s" not in found


def test_the_acg_is_trained_and_a_seed_repeats(recipe_of: Make, labelled: Path) -> None:
    recipe = recipe_of(classes=3, foreground="sum")
    first, again = (figures(recipe, labelled) for _ in range(2))
    assert first == again
    assert 0 < first["mIoU"] <= 100


def test_more_steps_give_another_generator(recipe_of: Make, labelled: Path) -> None:
    weights = []
    for steps in (1, 4):
        recipe = recipe_of(steps=steps)
        experiment = Experiment(recipe, recipe.rows[0], labelled, device="cpu")
        experiment._train()
        weights.append(experiment._model.generator_.prototypes.detach().clone())
    assert not torch.equal(*weights)


def test_another_objective_gives_another_generator(recipe_of: Make, labelled: Path) -> None:
    weights = []
    for objective in OBJECTIVES:
        recipe = recipe_of(objective=objective, steps=2)
        experiment = Experiment(recipe, recipe.rows[0], labelled, device="cpu")
        experiment._train()
        weights.append(tuple(experiment._model.generator_.prototypes.flatten().tolist()))
    assert len(set(weights)) == len(OBJECTIVES)


def test_speed_is_a_figure_where_it_is_asked_for(recipe_of: Make, labelled: Path) -> None:
    recipe = recipe_of(method="spectral", classify="none", protocol="image", figure="images/s")
    assert figures(recipe, labelled)["images/s"] > 0


def test_text_names_the_classes(
    recipe_of: Make, labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ByColour:
        patch, scale = 8, 100.0

        def embed_names(self, names: list[str]) -> torch.Tensor:
            return torch.eye(3)[: len(names)]

        def pixels(self, image: torch.Tensor) -> TextPixels:
            grid = F.avg_pool2d(image, 8)
            return TextPixels(grid.flatten(2).transpose(1, 2), (grid.shape[2], grid.shape[3]))

    monkeypatch.setattr(module, "load_text_image_model", lambda name, device: ByColour())
    found = figures(recipe_of(method="kmeans", classify="text", text_model="x"), labelled)
    assert found["mIoU"] > 60


def test_every_seed_and_row_is_run_on_the_pictures_asked_for(
    recipe_of: Make, labelled: Path
) -> None:
    told: list[tuple[str, int, int]] = []
    recipe = recipe_of(method="kmeans", classify="none", protocol="image")
    runs = list(
        reproduce(
            recipe,
            labelled,
            seeds=(0, 3),
            images=2,
            device="cpu",
            progress=lambda task, done, of, note: told.append((task, done, of)),
        )
    )
    assert [result.seed for _, result in runs] == [0, 3]
    assert told == [("scoring", 1, 2), ("scoring", 2, 2)] * 2


def test_a_picture_that_cannot_be_read_is_named_and_the_rest_scored(
    recipe_of: Make, labelled: Path, tmp_path: Path
) -> None:
    import shutil

    root = tmp_path / "broken"
    shutil.copytree(labelled, root)
    (root / "images" / "3.png").write_bytes(b"no picture")
    recipe = recipe_of(method="kmeans", classify="none", protocol="image")
    [(_, result)] = reproduce(recipe, root, seeds=[0], device="cpu")
    assert list(result.failed) == ["3"]
    assert result.figures["mIoU"] > 60


def test_a_data_set_that_is_not_there_is_named(recipe_of: Make, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path.name)):
        list(reproduce(recipe_of(), tmp_path, seeds=[0], device="cpu"))


def test_background_by_attention_is_class_0(recipe_of: Make, labelled: Path) -> None:
    recipe = recipe_of(method="kmeans", foreground="sum", classes=3)
    experiment = Experiment(recipe, recipe.rows[0], labelled, device="cpu")
    result, _ = experiment.run()
    assert len(getattr(result, "mapping")) <= 3  # noqa: B009
    assert np.isfinite(result.miou)
