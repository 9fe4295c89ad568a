"""The measured beside the published, as a table for people and rows for machines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from acseg.experiments.recipe import BETWEEN, Recipe, Row


@dataclass(frozen=True)
class Measured:
    """One row of a recipe with all its seeds."""

    row: Row
    seeds: tuple[int, ...]
    figures: tuple[dict[str, float], ...]

    def mean(self, figure: str) -> float:
        """Mean of a figure over the seeds."""
        return float(np.mean([f[figure] for f in self.figures]))

    def spread(self, figure: str) -> float:
        """Standard deviation of a figure over the seeds."""
        return float(np.std([f[figure] for f in self.figures]))

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain values."""
        names = list(self.figures[0])
        return {
            "name": self.row.name,
            "protocol": protocol_name(self.row),
            "seeds": list(self.seeds),
            "figures": {n: {"mean": self.mean(n), "std": self.spread(n)} for n in names},
            "expected": self.row.expected,
            "expected_spread": self.row.spread,
            "figure": self.row.figure,
            "source": self.row.source,
        }


def protocol_name(row: Row) -> str:
    """Name the protocol of a row, so that two are never mixed unseen."""
    if row.protocol == "image":
        return "P3 image"
    if row.classify in ("retrieval", "text", "linear"):
        return f"classes known ({row.classify})"
    return {"collection": "P1 collection", "overcluster": "P2 over-clustering"}[row.protocol]


def markdown(recipe: Recipe, measured: Sequence[Measured]) -> str:
    """Draw the table of a recipe in Markdown: mean and standard deviation over the seeds."""
    lines = [f"### {recipe.title}", "", recipe.table, ""] if recipe.table else []
    lines = lines or [f"### {recipe.title}", ""]
    lines += grid(measured)
    lines.append("| method | protocol | seeds | figure | measured | published | source |")
    lines.append("|---|---|---|---|---|---|---|")
    for one in measured:
        for figure in one.figures[0]:
            own = figure == one.row.figure
            lines.append(
                f"| {one.row.name} | {protocol_name(one.row)} | {len(one.seeds)} | {figure} "
                f"| {_number(one.mean(figure), one.spread(figure), len(one.seeds))} "
                f"| {_number(one.row.expected, one.row.spread, 2) if own else ''} "
                f"| {one.row.source if own else ''} |"
            )
    return "\n".join(lines)


def grid(measured: Sequence[Measured]) -> list[str]:
    """Draw methods against protocols, where a recipe has made its rows of several of both.

    Returns
    -------
    list of str
        Lines of Markdown, a cell the figure that its row is about; empty without such rows.
    """
    cells: dict[str, dict[str, str]] = {}
    for one in measured:
        method, found, protocol = one.row.name.partition(BETWEEN)
        if found:
            figure = one.row.figure
            mean = _number(one.mean(figure), one.spread(figure), len(one.seeds))
            cells.setdefault(method, {})[protocol] = mean
    protocols = list(dict.fromkeys(name for own in cells.values() for name in own))
    if len(cells) < 2 or len(protocols) < 2:
        return []
    figures = dict.fromkeys(one.row.figure for one in measured if BETWEEN in one.row.name)
    lines = [f"| {', '.join(figures)} | " + " | ".join(protocols) + " |"]
    lines.append("|---" * (len(protocols) + 1) + "|")
    for method, own in cells.items():
        lines.append(f"| {method} | " + " | ".join(own.get(p, "") for p in protocols) + " |")
    return [*lines, ""]


def _number(value: float | None, spread: float | None, seeds: int) -> str:
    if value is None:
        return ""
    return f"{value:.1f} +- {spread:.1f}" if spread is not None and seeds > 1 else f"{value:.1f}"
