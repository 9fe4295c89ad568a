"""The most memory that `acseg predict` holds, for a small and for a large collection."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from speed.models import TINY, photographs, random_run, random_vit
from speed.timing import How, Row, Table

RUNNER = """
from acseg.cli import main
from speed.peak import peak_mb
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("PEAK", peak_mb())
"""


def measure(how: How) -> list[Table]:
    """Run `acseg predict` over small pictures, each run in a process of its own."""
    vit = random_vit(how.folder / "tiny", TINY)
    more = {"foreground": "none", "descriptor": "mean-token"}
    run = random_run(how.folder / "classes", vit, side=16, classes=4, **more)
    rows: list[Row] = []
    peaks = []
    for count in (20, 60) if how.quick else (1000, 10_000):
        pictures = photographs(how.folder / "pictures", count, (32, 24))
        out = how.folder / "predicted"
        arguments = ["predict", str(run), str(pictures), "-o", str(out), "--device", "cpu"]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", RUNNER, *arguments],
            cwd=Path(__file__).parents[1],
            check=True,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - start
        peaks.append(float(done.stdout.split("PEAK")[1]))
        rows.append({"images": f"{count:,}", "peak MB": peaks[-1], "images/s": count / seconds})
        shutil.rmtree(out)
    rows[-1]["more than the first"] = f"{100 * (peaks[-1] / peaks[0] - 1):+.1f} %"
    title = "Peak resident memory of acseg predict, pictures of 32 x 24, a tiny backbone"
    return [Table("memory", title, rows, ["To reach: within 5 %."])]
