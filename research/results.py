"""What was measured, one line of JSON each: a run goes on from it, `research.table` reads it."""

import json
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Results:
    """A file of lines; what a killed run left half written is dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Line] = []
        whole = []
        for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if "failed" not in line:  # is tried again
                self.lines.append(line)
                whole.append(text)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        part.write_text("".join(f"{text}\n" for text in whole), encoding="utf-8")
        part.replace(path)

    def add(self, **line: Any) -> None:
        """Add a line, at once on disk."""
        self.lines.append(line)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def of(self, key: str, folder: str) -> list[Line]:
        """Give what was measured of a row on a set."""
        return [
            one
            for one in self.lines
            if one["key"] == key and one["set"] == folder and "failed" not in one
        ]

    @property
    def failed(self) -> list[str]:
        """Name the rows that failed, and why."""
        return [
            f"{one['row']}, {one['set']}: {one['failed']}" for one in self.lines if "failed" in one
        ]
