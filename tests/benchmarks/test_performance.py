"""The command that times everything: it runs, and writes what it prints."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from speed.timing import How, Table, markdown, spread, time_pairs, times_faster  # noqa: E402


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_tables_are_printed_and_those_of_before_stay_in_the_json(tmp_path: Path) -> None:
    kept = tmp_path / "sub" / "figures.json"
    shown = run("performance.py", "--quick", "--only", "generator", "--json", str(kept))
    assert "| scikit-learn spectral |" in shown
    run("performance.py", "--quick", "--only", "training", "--json", str(kept))
    found = json.loads(kept.read_text())["tables"]
    assert set(found) == {"generator", "training"}
    assert found["training"]["rows"][0]["products"] == "float32"
    assert found["training"]["rates"]["bandwidth"] > 0
    assert found["training"]["machine"]["torch"]


def test_tables_that_start_processes_run() -> None:
    shown = run("performance.py", "--quick", "--only", "import", "loss")
    assert "torch loaded by `import acseg`: False" in shown
    assert "| 196 | tiles, float32 |" in shown
    assert "### Degrees known beforehand" in shown


def test_an_unknown_table_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "performance.py"), "--only", "tea"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "invalid choice: 'tea'" in done.stderr


def test_dense_forms_and_tiles_are_the_same_loss() -> None:
    from speed.loss import inputs, losses

    pixels, concepts = inputs(2, 50, 12, 4, "cpu")
    values = {name: loss(pixels, concepts).item() for name, loss in losses("cpu").items()}
    exact = values["dense, N x N x k"]
    assert exact != 0
    assert values == {name: pytest.approx(exact, rel=1e-3) for name in values}


def test_memory_of_a_form_is_seen_though_the_process_that_asks_is_large() -> None:
    from speed.loss import extra_mb

    ballast = np.ones(60_000_000)  # 480 MB
    dense = extra_mb("dense, N x N x k", 1, 1600, 64, 5, "cpu")
    tiles = extra_mb("tiles, float32", 1, 1600, 64, 5, "cpu")
    assert ballast[-1] == 1
    assert dense > 8 * 1600 * 1600 * 4 / 2**20  # W, delta, the products and their gradients
    assert 1 < tiles < dense / 4


def test_every_form_is_timed_once_a_round_after_a_first_call() -> None:
    calls: list[str] = []
    times = time_pairs({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 3, "b": 3}
    assert all(s > 0 for seconds in times.values() for s in seconds)
    assert calls[:4] == ["a", "a", "b", "b"]


def test_ratios_are_of_pairs_and_spreads_of_the_middle_half() -> None:
    assert times_faster([2.0, 30.0, 4.0], [1.0, 10.0, 4.0]) == 2.0
    assert spread([0.001, 0.002, 0.003, 0.004, 0.1]) == "3 (2-4)"
    assert spread([0.5], 1) == "0.5"


def test_a_table_has_the_columns_of_all_its_rows() -> None:
    table = Table("t", "Title", [{"a": "x", "b": 1234.5}, {"a": "y", "c": None}], ["Note."])
    assert markdown(table).splitlines() == [
        *("### Title", "", "| a | b | c |", "|---|---|---|"),
        *("| x | 1234 |  |", "| y |  |  |", "", "Note."),
    ]


def test_floor_is_the_longer_of_operations_and_bytes(tmp_path: Path) -> None:
    how = How(True, 1, "cpu", {"float32": 1e9, "bfloat16": 4e9, "bandwidth": 10e9}, tmp_path)
    assert how.floor(8e9, 5e9, "bfloat16") == 2
    assert how.floor(8e9, 30e9, "bfloat16") == 3
