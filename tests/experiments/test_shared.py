"""Rows of one run that share work give the figures of rows that do not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from acseg.backbone.backbone import Backbone
from acseg.experiments import regions as module
from acseg.experiments.experiment import Experiment
from acseg.experiments.memo import Memo, Shared
from acseg.experiments.recipe import Recipe
from acseg.experiments.reproduce import reproduce
from acseg.experiments.results import Results

Make = Callable[..., Recipe]

CHANGES: list[dict[str, Any]] = [
    {"classify": "retrieval"},
    {"classify": "retrieval", "neighbours": 5},
    {"classify": "linear"},
    {"classify": "clusters", "classes": 3},
    {"classify": "clusters", "classes": 3, "foreground": "sum"},
    {"classify": "none", "protocol": "image"},
    {"classify": "none", "protocol": "image", "refine": "guided"},
    {"classify": "none", "protocol": "image", "flip": True},
    {"classify": "none", "protocol": "image", "side": 32},
    {"classify": "none", "protocol": "image", "k": 2},
    {"classify": "retrieval", "descriptor": "crop"},
]
METHODS: list[dict[str, Any]] = [
    {"method": "kmeans"},
    {"method": "spectral"},
    {"method": "slic"},
    {"method": "acg"},
    {"method": "acg", "rounds": 5},
    {"method": "acg", "merge": 0.5},
    {"method": "acg", "steps": 5},
    {"method": "acg", "objective": "k-means"},
]


def rows(recipe_of: Make, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> Recipe:
    made = [
        replace(recipe_of(**(method | change)).rows[0], name=f"{method} {change}")
        for method, change in pairs
    ]
    return replace(recipe_of(), rows=tuple(made))


def figures(
    recipe: Recipe, root: Path, *, seeds: tuple[int, ...] = (0, 1), **settings: Any
) -> list[tuple[str, int, Any]]:
    runs = reproduce(recipe, root, seeds=seeds, images=3, device="cpu", **settings)
    return [(row.name, result.seed, result.figures) for row, result in runs]


def alone(recipe: Recipe, root: Path, seeds: tuple[int, ...]) -> list[tuple[str, int, Any]]:
    """Run each row and seed by itself, with nothing kept."""
    found = []
    for row in recipe.rows:
        for seed in seeds:
            shared = Shared(Memo(0), Memo(0), Memo(0))
            experiment = Experiment(
                recipe, row, root, seed=seed, images=3, device="cpu", shared=shared
            )
            found.append((row.name, seed, experiment.run()[1]))
    return found


def test_shared_work_changes_no_figure(recipe_of: Make, labelled: Path) -> None:
    pairs = [(METHODS[0], change) for change in CHANGES]
    pairs += [(method, CHANGES[5]) for method in METHODS[1:]]
    recipe = rows(recipe_of, [*pairs, (METHODS[3], CHANGES[0])])
    wanted = alone(recipe, labelled, (0,))
    assert figures(recipe, labelled, seeds=(0,)) == wanted
    assert len({str(figure) for _, _, figure in wanted}) > len(wanted) / 2  # rows do differ


def test_a_bound_that_is_reached_changes_no_figure(recipe_of: Make, labelled: Path) -> None:
    pairs = [(METHODS[i], CHANGES[c]) for i, c in ((0, 0), (0, 5), (2, 5), (3, 5))]
    recipe = rows(recipe_of, pairs)
    little = Shared(Memo(12_000), found=Memo(20_000))  # some pictures are kept, others are not
    assert figures(recipe, labelled, shared=little) == alone(recipe, labelled, (0, 1))
    assert 0 < little.features.size <= 12_000
    assert 0 < little.found.size <= 20_000


def test_work_is_done_once(
    recipe_of: Make, labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"encoded": 0, "trained": 0, "clustered": 0}

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            counts[name] += 1
            return function(*given, **named)

        return call

    monkeypatch.setattr(Backbone, "forward", counted("encoded", Backbone.forward))
    monkeypatch.setattr(module, "fit_generator", counted("trained", module.fit_generator))
    monkeypatch.setattr(module, "cluster_features", counted("clustered", module.cluster_features))
    protocols = CHANGES[:4] + CHANGES[5:6]
    methods: list[dict[str, Any]] = [{"method": "acg"}, {"method": "acg", "merge": 0.5}]
    methods += [{"method": "kmeans"}, {"method": "slic"}]
    shared = Shared()
    figures(rows(recipe_of, [(m, p) for m in methods for p in protocols]), labelled, shared=shared)
    # fitted and scored are one split, of which three pictures are taken
    assert counts == {"encoded": 3, "trained": 2, "clustered": 3 * 2 + 3}
    speed = recipe_of(method="kmeans", figure="images/s", **protocols[-1])
    figures(speed, labelled, shared=shared)
    assert counts["encoded"] == 3
    assert counts["clustered"] == 3 * 2 + 3 + 3 * 2  # timed anew, whatever is kept


def test_a_generator_is_trained_once_even_where_there_is_no_room_for_regions(
    recipe_of: Make, labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []
    whole = module.fit_generator

    def counted(*given: Any, **named: Any) -> Any:
        trained.append(1)
        return whole(*given, **named)

    monkeypatch.setattr(module, "fit_generator", counted)
    pairs = [({"method": "acg"}, CHANGES[c]) for c in (0, 5)]
    figures(rows(recipe_of, pairs), labelled, seeds=(0,), shared=Shared(found=Memo(0)))
    assert len(trained) == 1


def test_only_what_has_changed_is_run_again(
    recipe_of: Make, labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image: dict[str, Any] = {"method": "slic", "classify": "none", "protocol": "image"}
    first, second = (recipe_of(**image, k=k).rows[0] for k in (2, 3))
    recipe = replace(recipe_of(), rows=(first, replace(second, name="second")))
    results = Results()
    before = figures(recipe, labelled, results=results)
    assert len(results) == 4
    told: list[str] = []
    run = Experiment.run
    monkeypatch.setattr(Experiment, "run", lambda self: told.append(self.row.name) or run(self))
    assert figures(recipe, labelled, results=results) == before
    assert told == []
    published = replace(first, expected=50.0, source="a paper")
    changed = replace(recipe.rows[1], upsample="labels")
    figures(replace(recipe, rows=(published, changed)), labelled, results=results)
    assert told == ["second", "second"]
    list(reproduce(recipe, labelled, seeds=[0], images=2, device="cpu", results=results))
    assert told[2:] == ["row", "second"]
