"""The diary of a training: one line of JSON a step, written whole at each checkpoint."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acseg.output.atomic import write_atomic


def write_diary(path: Path, diary: Sequence[dict[str, Any]]) -> None:
    """Write a diary whole or not at all."""
    write_atomic(path, "".join(json.dumps(line) + "\n" for line in diary))


def read_diary(path: Path, until: int) -> list[dict[str, Any]]:
    """Read the diary of a killed call up to its checkpoint; empty where there is none."""
    if until == 0 or not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["step"] <= until]
