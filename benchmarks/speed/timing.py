"""Timing in pairs: every form once a round, so that what else the machine does meets all alike."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch

Form = Callable[[], Any]
Row = dict[str, str | float | None]
LEAST = 0.02  # seconds that one sample takes at least; what is faster is repeated


@dataclass(frozen=True)
class How:
    """How a table is to be measured.

    Attributes
    ----------
    quick
        Few rounds on small inputs: shows that everything runs, its times mean nothing.
    rounds
        How often each form is timed.
    device
        "cpu" or "cuda", for the tables that know both.
    rates
        Of this machine in this run: operations a second by type, bytes a second as "bandwidth".
    folder
        Empty, for files.
    """

    quick: bool
    rounds: int
    device: str
    rates: Mapping[str, float]
    folder: Path

    def floor(self, operations: float, moved: float, dtype: str) -> float:
        """Give the seconds below which the hardware cannot be.

        The longer of two: operations of matrix products in a type at the measured rate, and bytes
        that have to be moved at the measured bandwidth.
        """
        return max(operations / self.rates[dtype], moved / self.rates["bandwidth"])


@dataclass(frozen=True)
class Table:
    """A table: what it shows, its rows, and what is to be reached."""

    name: str
    title: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)


def time_pairs(
    forms: Mapping[str, Form], rounds: int, device: str = "cpu"
) -> dict[str, list[float]]:
    """Time every form once in each round; gives the seconds of one call, a number a round."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    calls: dict[str, int] = {}
    for name, form in forms.items():
        _time(form, 1, device)  # what is slow the first time does not count
        calls[name] = max(1, round(LEAST / max(1e-6, _time(form, 1, device))))
    for turn in range(rounds):
        names = list(forms) if turn % 2 == 0 else list(forms)[::-1]
        for name in names:
            times[name].append(_time(forms[name], calls[name], device))
    return times


def _time(form: Form, calls: int, device: str) -> float:
    _wait(device)
    start = time.perf_counter()
    for _ in range(calls):
        form()
    _wait(device)
    return (time.perf_counter() - start) / calls


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def times_faster(slow: list[float], fast: list[float]) -> float:
    """Give how many times faster one form is: the median over the rounds of the pairs' ratios."""
    return median(a / b for a, b in zip(slow, fast, strict=True))


def spread(seconds: list[float], unit: float = 1e3) -> str:
    """Write a median with the range of the middle half: 12.3 (11.9-13.0); in ms by default."""
    values = sorted(s * unit for s in seconds)
    if len(values) < 2:
        return figure(values[0])
    low, _, high = quantiles(values, n=4, method="inclusive")
    return f"{figure(median(values))} ({figure(low)}-{figure(high)})"


def figure(value: float) -> str:
    """Write a number with three digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def markdown(table: Table) -> str:
    """Draw a table in Markdown; a column is there where any row has it."""
    columns = list(dict.fromkeys(name for row in table.rows for name in row))
    lines = [f"### {table.title}", "", "| " + " | ".join(columns) + " |"]
    lines.append("|---" * len(columns) + "|")
    for row in table.rows:
        cells = [row.get(name) for name in columns]
        shown = ["" if c is None else figure(c) if isinstance(c, float) else str(c) for c in cells]
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join([*lines, "", *(f"{note}\n" for note in table.notes)])
