"""Running a recipe: each row with each seed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from acseg.errors import AcsegError
from acseg.evaluation.datasets import open_dataset
from acseg.experiments.experiment import Experiment, Progress, silent
from acseg.experiments.memo import Shared
from acseg.experiments.recipe import Recipe, Row
from acseg.experiments.results import Result, Results


def reproduce(
    recipe: Recipe,
    root: Path,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    images: int = 0,
    device: str = "auto",
    shared: Shared | None = None,
    results: Results | None = None,
    progress: Progress = silent,
) -> Iterator[tuple[Row, Result]]:
    """Run every row of a recipe with every seed.

    Parameters
    ----------
    recipe : Recipe
    root : Path
        Folder of the data set.
    seeds : sequence of int
    images : int
        At most so many pictures of each split, evenly spread; 0 for all.
    device : str
    shared : Shared, optional
        What rows give each other: features, generators, regions, descriptors. Default: 4 GiB at
        most. The figures do not depend on it.
    results : Results, optional
        What is there already is not run again; what is run is added.
    progress : callable
        Told (task, done, of, note).

    Yields
    ------
    row, result
        As each is done. A row that cannot be run, for want of its backbone or of regions, has no
        figures and says why in `failed`, and costs the others nothing.

    Raises
    ------
    DataError
        If the data set is not there.
    """
    shared = Shared() if shared is None else shared
    results = Results() if results is None else results
    for split in (recipe.fit, recipe.score):
        open_dataset(recipe.data, root, split)  # if it is not there, no row can be run
    for row in recipe.rows:
        for seed in seeds:
            result = Result(recipe.title, row.name, images, seed, "", figures={}, failed={})
            try:
                experiment = Experiment(
                    recipe,
                    row,
                    root,
                    seed=seed,
                    images=images,
                    device=device,
                    shared=shared,
                    progress=progress,
                )
                result = _run(experiment, result, results)
            except AcsegError as error:
                result.failed[f"{row.name}, seed {seed}"] = str(error)
            yield row, result


def _run(experiment: Experiment, empty: Result, results: Results) -> Result:
    """Look up what an experiment gave before, or run it and keep what it gives."""
    fingerprint = experiment.fingerprint()
    found = results.find(fingerprint, empty.seed)
    if found is None:
        _, figures = experiment.run()
        found = replace(empty, fingerprint=fingerprint, figures=figures, failed=experiment.failed)
        results.add(found)
    return found
