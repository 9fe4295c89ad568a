"""Tables of a recipe, with 95 % intervals of the bootstrap over pictures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from research.recipe import Recipe, Row
from research.results import Results

DRAWS = 2000


def interval(values: Sequence[NDArray[np.float64]]) -> tuple[float, float, float]:
    """Mean over sets of the means of each, and 95 % of the bootstrap over their pictures."""
    random = np.random.default_rng(0)
    draws = [v[random.integers(len(v), size=(DRAWS, len(v)))].mean(1) for v in values]
    low, high = np.percentile(np.mean(draws, axis=0), [2.5, 97.5])
    return float(np.mean([v.mean() for v in values])), float(low), float(high)


def table(recipe: Recipe, results: Results, pictures: dict[str, list[str]]) -> str:
    """Write the tables of a recipe in Markdown, over the pictures of each set."""
    sets = [name for name in recipe.sets if name in pictures]
    counts = ", ".join(f"{name} {len(pictures[name])}" for name in sets)
    text = [f"# {recipe.title}", f"Pictures: {counts}"]
    images = [row for row in recipe.rows if row.protocol == "P3"]
    others = [row for row in recipe.rows if row.protocol != "P3"]
    if images and sets:
        head = ["P3 mIoU / covering", *sets, "P3 [95 %]", "covering [95 %]", "parts", "ms"]
        text.append(_lines(head, [_image_row(recipe, r, results, pictures, sets) for r in images]))
    if others and sets:
        head = ["accuracy / mIoU [95 %] sd over seeds", "protocol", *sets, "mean mIoU"]
        text.append(_lines(head, [_set_row(recipe, row, results, sets) for row in others]))
    if recipe.published:
        names = list(dict.fromkeys(key for one in recipe.published for key in one))
        rows = [[str(one.get(name, "")) for name in names] for one in recipe.published]
        text.append("Published:\n\n" + _lines(names, rows))
    return "\n\n".join([*text, *(f"failed: {line}" for line in results.failed)]) + "\n"


def _image_row(
    recipe: Recipe, row: Row, results: Results, pictures: dict[str, list[str]], sets: list[str]
) -> list[str]:
    key = recipe.key(row)
    found = {}
    for name in sets:
        by_picture = {one["picture"]: one for one in results.of(key, name)}
        lines = [by_picture[p] for p in pictures[name] if p in by_picture]
        if len(lines) == len(pictures[name]):  # else it failed here
            wanted = ("P3", "covering", "parts", "ms")
            found[name] = np.array([[one[k] for k in wanted] for one in lines], float)
    cells = [
        f"{found[n][:, 0].mean():.1f} / {found[n][:, 1].mean():.1f}" if n in found else "failed"
        for n in sets
    ]
    if len(found) < len(sets):
        return [row.name, *cells, "", "", "", ""]
    values = list(found.values())
    means = [interval([v[:, i] for v in values]) for i in (0, 1)]
    parts = np.mean([v[:, 2].mean() for v in values])
    ms = np.median(np.concatenate(values)[:, 3])
    said = [f"{mean:.2f} [{low:.1f}, {high:.1f}]" for mean, low, high in means]
    return [row.name, *cells, *said, f"{parts:.1f}", f"{ms:.0f}"]


def _set_row(recipe: Recipe, row: Row, results: Results, sets: list[str]) -> list[str]:
    cells, means = [], []
    for name in sets:
        lines = results.of(recipe.key(row), name)
        if not lines:
            cells.append("failed")
            continue
        kinds = ("accuracy", "mIoU", "low", "high")
        seeds = np.array([[one[kind] for kind in kinds] for one in lines])
        right, mean, low, high = seeds.mean(0)
        spread = f" ±{seeds[:, 1].std(ddof=1):.1f}" if len(seeds) > 1 else ""
        cells.append(f"{right:.1f} / {mean:.1f} [{low:.1f}, {high:.1f}]{spread}")
        means.append(mean)
    whole = f"{np.mean(means):.1f}" if len(means) == len(sets) else ""
    return [row.name, row.protocol, *cells, whole]


def _lines(head: list[str], rows: list[list[str]]) -> str:
    every = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in every)
