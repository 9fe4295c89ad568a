"""Plots of a training and of the choice of the number of classes, as PNG and SVG.

The same diary gives the same bytes: nothing of the time, the machine or chance is written.
"""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acseg.errors import DataError
from acseg.output.atomic import write_atomic
from acseg.output.palette import palette

TITLE = "Training of the generator"
LABELS = {"loss": "loss (minus modularity)", "concepts": "concepts in a picture"}
LINES = (0, 2, 5, 6, 4, 3)  # of the palette, without its yellow, which is faint on white
MOST_POINTS = 2000  # of a thin line
DPI = 144
PANEL = (6.4, 2.6)  # inches

_STYLE = {
    "svg.hashsalt": "acseg",  # names inside an SVG are else made of random numbers
    "svg.fonttype": "none",  # text stays text
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
}


def write_plots(run: str | Path) -> list[Path]:
    """Draw the training of a model folder and the choice of its number of classes.

    Parameters
    ----------
    run : str or Path
        Folder with ``training.jsonl`` or ``classes.json``.

    Returns
    -------
    list of Path
        ``plots/training`` and ``plots/classes``, as far as there is something to draw, each as
        .png and .svg.

    Raises
    ------
    DataError
        If there is nothing to draw, a file is broken, or matplotlib is missing.
    """
    run = Path(run)
    written = []
    lines = _read_lines(run / "training.jsonl")
    if lines:
        written += save_figure(draw_diary(lines, TITLE), run / "plots" / "training")
    curve = _read_curve(run / "classes.json")
    if curve:
        written += save_figure(draw_choice(curve), run / "plots" / "classes")
    if not written:
        raise DataError(
            f"{run} holds nothing to plot: training.jsonl and classes.json of `fit` are missing "
            "or empty"
        )
    return written


def draw_diary(lines: Sequence[Mapping[str, Any]], title: str) -> Any:
    """Draw every number of a diary against the step, each in a panel of its own.

    Thin lines are the steps, thick ones the mean of the neighbouring 4 % of them.

    Parameters
    ----------
    lines : sequence of dict
        Each with "step" and numbers.
    title : str

    Returns
    -------
    matplotlib Figure
    """
    keys = [k for k in dict.fromkeys(k for line in lines for k in line) if k != "step"]
    figure, panels = _figure(len(keys), title)
    for panel, key in zip(panels, keys, strict=True):
        having = [line for line in lines if key in line]
        steps = np.array([line["step"] for line in having])
        values = np.array([line[key] for line in having], dtype=np.float64)
        thin, smooth = -(-len(steps) // MOST_POINTS), running_mean(values, len(values) // 25)
        panel.plot(steps[::thin], values[::thin], color=_colour(0), alpha=0.3, linewidth=0.8)
        panel.plot(steps, smooth, color=_colour(0), linewidth=2)
        panel.set_ylabel(LABELS.get(key, key.replace("_", " ")))
    panels[-1].set_xlabel("step")
    figure.align_ylabels()
    return figure


def draw_choice(curve: Sequence[tuple[int, float]]) -> Any:
    """Draw the held-out confidence of each number of clusters, and mark the best.

    Parameters
    ----------
    curve : sequence of (clusters, confidence)

    Returns
    -------
    matplotlib Figure
    """
    figure, (panel,) = _figure(1, "Choice of the number of classes")
    numbers, scores = (np.array(values) for values in zip(*curve, strict=True))
    best = int(scores.argmax())  # the smallest of equals, as it is chosen
    panel.plot(numbers, scores, marker="o", markersize=4, color=_colour(0))
    panel.axvline(numbers[best], color=_colour(1), linestyle="--", linewidth=1)
    panel.annotate(
        f"best: {numbers[best]}",
        (numbers[best], scores[best]),
        xytext=(6, 6),
        textcoords="offset points",
        color=_colour(1),
    )
    panel.set_xscale("log")
    few = numbers if len(numbers) <= 9 else np.intersect1d(numbers, (2, 3, 4, 6, 8, 12, 20, 30, 60))
    panel.set_xticks(few, [str(n) for n in few])
    panel.minorticks_off()
    panel.margins(y=0.15)
    panel.set_xlabel("clusters (a background class comes on top)")
    panel.set_ylabel("held-out confidence")
    return figure


def draw_lines(
    series: Mapping[str, Sequence[tuple[Any, float]]], across: str, up: str, title: str = ""
) -> Any:
    """Draw a line for each series over a number, or a bar for each kind.

    Parameters
    ----------
    series : mapping of name to points (x, y)
        Where x is no number, each point becomes a bar.
    across, up : str
        What the axes are.
    title : str

    Returns
    -------
    matplotlib Figure
    """
    figure, (panel,) = _figure(1, title)
    for i, (name, points) in enumerate(series.items()):
        places, values = zip(*points, strict=True)
        if isinstance(places[0], bool | str):
            panel.bar([str(place) for place in places], values, color=_colour(i), width=0.6)
        else:
            panel.plot(places, values, marker="o", markersize=4, color=_colour(i), label=name)
    if len(series) > 1:
        panel.legend(frameon=False, fontsize=8)
    panel.set_xlabel(across)
    panel.set_ylabel(up)
    return figure


def running_mean(values: np.ndarray, reach: int) -> np.ndarray:
    """Average each value with up to `reach` // 2 on either side, fewer at the ends: (n,)."""
    half = max(0, reach // 2)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    first, last = np.maximum(index - half, 0), np.minimum(index + half + 1, len(values))
    return (sums[last] - sums[first]) / (last - first)


def _figure(panels: int, title: str) -> tuple[Any, list[Any]]:
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise DataError("plots need matplotlib; pip install 'acseg[plots]'") from None

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(PANEL[0], PANEL[1] * panels + 0.4), layout="constrained")
        axes = figure.subplots(panels, sharex=True, squeeze=False)[:, 0]
    figure.suptitle(title)
    return figure, list(axes)


def save_figure(figure: Any, stem: Path) -> list[Path]:
    """Write a figure as PNG and SVG; Agg draws it, whatever screen there is."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    written = []
    for kind, facts in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        stream = io.BytesIO()
        with mpl.rc_context(_STYLE):
            figure.savefig(stream, format=kind, dpi=DPI, metadata=facts)
        written.append(write_atomic(stem.with_suffix(f".{kind}"), stream.getvalue()))
    return written


def _colour(i: int) -> str:
    return "#" + bytes(palette(max(LINES) + 1)[LINES[i % len(LINES)]]).hex()


def _read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
        if not all(type(line["step"]) is int for line in lines):
            raise ValueError("a step is no whole number")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot read {path}: {error}; it holds one JSON object a line") from error
    return lines


def _read_curve(path: Path) -> list[tuple[int, float]]:
    """Read the curve of `fit --classes auto`; empty where the number was given."""
    if not path.exists():
        return []
    try:
        curve = json.loads(path.read_text("utf-8"))["curve"]
        return [(int(clusters), float(score)) for clusters, score in curve]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot read {path}: {error}; `fit` writes a curve there") from error
