"""The tables that run the whole pipeline: they run, with models and pictures made for them."""

import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_segment_and_memory() -> None:
    done = subprocess.run(
        [
            *(sys.executable, str(BENCHMARKS / "performance.py"), "--quick"),
            *("--only", "segment", "plain", "memory"),
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("| labels |") == 2  # the chosen runtime, and torch
    assert "against the forward pass of plain PyTorch" in done.stdout
    assert "Peak resident memory" in done.stdout
