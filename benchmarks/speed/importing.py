"""How long the package takes to import, and the command line to answer."""

import subprocess
import sys
from pathlib import Path

from speed.timing import How, Row, Table, spread, time_pairs

QUESTION = "import acseg, sys; print('torch' in sys.modules)"


def measure(how: How) -> list[Table]:
    """Time `import acseg`, `acseg --help` and an empty Python, each in a process of its own."""
    command = str(Path(sys.executable).with_name("acseg"))
    forms = {
        "python -c pass": lambda: run([sys.executable, "-c", "pass"]),
        "import acseg": lambda: run([sys.executable, "-c", "import acseg"]),
        "acseg --help": lambda: run([command, "--help"]),
    }
    times = time_pairs(forms, 2 if how.quick else how.rounds)
    rows: list[Row] = [{"what": name, "s": spread(times[name], 1)} for name in forms]
    loads = run([sys.executable, "-c", QUESTION]).strip()
    notes = [f"To reach: under 0.5 s. torch loaded by `import acseg`: {loads}."]
    return [Table("import", "Start", rows, notes)]


def run(command: list[str]) -> str:
    """Run a command to its end and give what it printed."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
