"""acseg report and acseg show; the page itself is tested in tests/report."""

import os
import subprocess
import sys
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


def test_the_plots_of_a_run(tiny_run: Path, tmp_path: Path) -> None:
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


def test_show_says_what_was_found_without_a_terminal(out: Path) -> None:
    done = run("show", out)
    assert done.exit_code == 0
    assert done.output.splitlines() == ["a.png", "  ■ concept 0 75%   ■ concept 1 25%"]
    assert run("show", out, "--picture", "b").output == ""


def test_an_overlay_that_is_gone_is_status_1_on_a_terminal(out: Path) -> None:
    code = f"from acseg.cli import main; main(['show', {str(out)!r}])"
    shown, status = in_terminal(code)
    assert status == 0
    assert "▀" in shown
    (out / "overlays" / "a.jpg").unlink()
    shown, status = in_terminal(code)
    assert status == 1
    assert "▀" not in shown


def test_segment_previews_on_a_terminal_only(out: Path, tiny_run: Path) -> None:
    given = ["segment", str(out / "../photos"), "-o", str(out / "../new"), "--model", str(tiny_run)]
    given += ["--device", "cpu", "--preview"]
    done = run(*given)
    assert done.exit_code == 0
    assert "▀" not in done.output
    shown, status = in_terminal(f"from acseg.cli import main; main({given!r})")
    assert status == 0
    assert "▀" in shown
    assert "1 picture," in shown


def in_terminal(code: str) -> tuple[str, int]:
    """Run Python in a terminal of 24 x 80: what it shows, and its status."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    done = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=env
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    return shown.decode("utf-8", "replace"), done.wait(timeout=60)
