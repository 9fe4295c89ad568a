"""acseg report; the page itself is tested in tests/report."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from acseg.cli import app
from acseg.model.segmentation import Segmentation
from acseg.output.records import write_records

Photos = Callable[..., Path]


@pytest.fixture
def out(photos: Photos, tmp_path: Path) -> Path:
    """An output folder with one picture."""
    photos(tmp_path / "photos", ["a.png"])
    folder = tmp_path / "out"
    labels = np.zeros((48, 40), int)
    labels[:12] = 1
    found = Segmentation(labels, np.full((48, 40, 3), 99, np.uint8))
    found.save(folder / "labels" / "a.png")
    (folder / "overlays").mkdir()
    found.overlay().save(folder / "overlays" / "a.jpg")
    record = found.record("a.png", labels="labels/a.png", source="../photos/a.png")
    write_records(folder / "segments.jsonl", [record])
    return folder


def run(*arguments: str | Path):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_plots_of_a_model(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in ("config.json", "training.jsonl", "classes.json"):
        (tmp_path / "run" / name).write_bytes((tiny_run / name).read_bytes())
    done = run("report", tmp_path / "run")
    assert done.exit_code == 0
    plots = tmp_path / "run" / "plots"
    assert done.output.split() == [
        "plotted",
        str(plots / "training.png"),
        "plotted",
        str(plots / "training.svg"),
    ]
    assert (plots / "training.svg").stat().st_size > 1000
    assert run("report", tmp_path / "run", "--sheet").exit_code == 2


def test_a_contact_sheet_beside_the_report(out: Path) -> None:
    done = run("report", out, "--sheet", "--title", "Mine")
    assert done.exit_code == 0
    assert f"the report is {out / 'index.html'}" in done.output
    assert f"a contact sheet is {out / 'sheets' / '1.jpg'}" in done.output
    assert "<h1>Mine" in (out / "index.html").read_text()
    assert not (out / "plots").exists()
    (out / "../photos/a.png").write_bytes(b"broken")
    assert run("report", out).exit_code == 0
    assert not (out / "sheets" / "2.jpg").exists()
