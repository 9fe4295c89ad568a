import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from acseg.errors import DataError
from acseg.report.plots import (
    draw_choice,
    draw_diary,
    draw_lines,
    running_mean,
    save_figure,
    write_plots,
)


def diary(steps: int = 120) -> list[dict]:
    return [
        {"step": n + 1, "loss": round(-0.1 - 0.001 * n, 6), "concepts": 3 + n / steps}
        for n in range(steps)
    ]


def write_diary(path: Path, lines: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_diary(tmp_path / "training.jsonl", diary())
    curve = [[2, 0.1], [3, 0.3], [5, 0.3], [8, 0.2]]
    (tmp_path / "classes.json").write_text(json.dumps({"criterion": "x", "curve": curve}))
    return tmp_path


def test_training_and_choice_are_drawn_as_png_and_svg(run: Path) -> None:
    written = write_plots(run)
    assert [str(path.relative_to(run)) for path in written] == [
        "plots/training.png",
        "plots/training.svg",
        "plots/classes.png",
        "plots/classes.svg",
    ]
    for path in written:
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert min(picture.size) > 300
                assert len(np.unique(np.asarray(picture.convert("L")))) > 20
        else:
            text = "".join(ElementTree.parse(path).getroot().itertext())
            assert ("concepts in a picture" if "training" in path.name else "best: 3") in text


def test_the_same_run_gives_the_same_bytes_without_date(run: Path) -> None:
    before = {path.name: path.read_bytes() for path in write_plots(run)}
    assert before == {path.name: path.read_bytes() for path in write_plots(run)}
    for data in before.values():
        assert b"date" not in data.lower()
        assert b"Matplotlib v" not in data


def test_lines_show_the_numbers_and_long_ones_are_thinned() -> None:
    lines = diary(5000)
    panel = draw_diary(lines, "x").axes[0]
    thin, thick = panel.get_lines()
    assert len(thin.get_xdata()) <= 2000
    assert thin.get_ydata()[1] == lines[int(thin.get_xdata()[1]) - 1]["loss"]
    assert len(thick.get_xdata()) == 5000
    assert thick.get_ydata()[2500] == pytest.approx(lines[2500]["loss"], abs=1e-5)


def test_the_best_of_equals_is_the_smallest() -> None:
    panel = draw_choice([(2, 0.1), (4, 0.3), (60, 0.3)]).axes[0]
    assert [text.get_text() for text in panel.texts] == ["best: 4"]
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["2", "4", "60"]


def test_a_running_mean_is_the_mean_of_the_neighbours() -> None:
    values = np.random.default_rng(0).normal(size=40)
    plain = [values[max(0, i - 3) : i + 4].mean() for i in range(40)]
    np.testing.assert_allclose(running_mean(values, 6), plain)
    np.testing.assert_allclose(running_mean(values, 0), values)
    np.testing.assert_allclose(running_mean(values[:1], 99), values[:1])


def test_a_number_of_classes_that_was_given_has_no_curve(run: Path) -> None:
    (run / "classes.json").write_text('{"curve": []}')
    assert [path.stem for path in write_plots(run)] == ["training", "training"]


def test_nothing_to_plot_is_said(tmp_path: Path) -> None:
    write_diary(tmp_path / "training.jsonl", [])
    with pytest.raises(DataError, match="nothing to plot"):
        write_plots(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("training.jsonl", "{"),
        ("training.jsonl", "[1]\n"),
        ("training.jsonl", '{"loss": 1}\n'),
        ("classes.json", "[]"),
        ("classes.json", '{"curve": [1]}'),
    ],
)
def test_broken_files_are_named(run: Path, name: str, text: str) -> None:
    (run / name).write_text(text)
    with pytest.raises(DataError, match=f"cannot read .*{name}"):
        write_plots(run)


def test_without_matplotlib_it_says_what_to_install(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DataError, match=r"pip install 'acseg\[plots\]'"):
        write_plots(run)


def test_lines_over_numbers_and_bars_over_kinds(tmp_path: Path) -> None:
    lines = draw_lines({"a": [(1, 2.0), (3, 1.0)], "b": [(2, 2.0)]}, "classes", "concepts")
    [panel] = lines.axes
    assert [line.get_xdata().tolist() for line in panel.lines] == [[1, 3], [2]]
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["a", "b"]
    bars = draw_lines({"mIoU": [("crop", 2.0), ("mean", 3.0)]}, "descriptor", "mIoU")
    assert [bar.get_height() for bar in bars.axes[0].patches] == [2.0, 3.0]
    assert bars.axes[0].get_legend() is None
    written = [save_figure(lines, tmp_path / name) for name in ("one", "two")]
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes()
