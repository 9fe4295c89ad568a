"""The measured beside the published, as a table for people and rows for machines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from acseg.experiments.recipe import Recipe, Row


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


def _number(value: float | None, spread: float | None, seeds: int) -> str:
    if value is None:
        return ""
    return f"{value:.1f} +- {spread:.1f}" if spread is not None and seeds > 1 else f"{value:.1f}"
