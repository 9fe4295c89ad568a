"""Running a recipe: each row with each seed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

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
        What rows give each other: features, generators, regions, descriptors. Default: 3 GiB at
        most. The figures do not depend on it.
    results : Results, optional
        What is there already is not run again; what is run is added.
    progress : callable
        Told (task, done, of, note).

    Yields
    ------
    row, result
        As each is done.
    """
    shared = Shared() if shared is None else shared
    results = Results() if results is None else results
    for row in recipe.rows:
        for seed in seeds:
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
            fingerprint = experiment.fingerprint()
            result = results.find(fingerprint, seed)
            if result is None:
                _, figures = experiment.run()
                result = Result(
                    recipe=recipe.title,
                    row=row.name,
                    images=images,
                    seed=seed,
                    fingerprint=fingerprint,
                    figures=figures,
                    failed=experiment.failed,
                )
                results.add(result)
            yield row, result
