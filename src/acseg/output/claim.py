"""What an output folder is for: the kind of its results, their model, and files that are not ours.

``.acseg/output.json`` keeps it. What drew a picture is a key of four parts,
MODEL.SETTINGS.MACHINE.EDITS: the weights, which all pictures of a folder share; the settings; what
else a label map depends on, such as the device; merged and dropped classes.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from acseg.errors import DataError
from acseg.names import MARK, safe_text
from acseg.output.atomic import write_atomic
from acseg.output.records import Kind
from acseg.untrusted import inside, parse_json, read_plain

FORMAT = 1
NAME = f"{MARK}/output.json"
TABLES = ("segments.jsonl", "classes.json", "areas.csv", "index.html")
FOLDERS = ("labels", "overlays")
MOST_FOREIGN = 10_000


@dataclass(frozen=True)
class Key:
    """What drew a picture; see the module."""

    model: str = ""
    settings: str = ""
    machine: str = ""
    edits: str = ""

    def __str__(self) -> str:
        return f"{self.model}.{self.settings}.{self.machine}.{self.edits}"

    def mixes_with(self, other: "Key") -> bool:
        """Say whether pictures that these drew may stand side by side in a folder."""
        return (self.settings, self.edits) == (other.settings, other.edits)

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read a key; one that is none belongs to no model."""
        parts = text.split(".")
        return cls(*parts) if len(parts) == 4 else cls()


def edits_text(becomes: Mapping[int, int]) -> str:
    """Write merges and drops as part of a key: ``1>0,3>255``."""
    return ",".join(f"{a}>{b}" for a, b in sorted(becomes.items()))


def edited(key: str, becomes: Mapping[int, int]) -> str:
    """Say by which key a picture counts after label maps were redrawn with more merges and drops.

    A merge that was taken back cannot be redrawn, as the label map does not remember it: the key
    then stays, and `predict` does the picture again.
    """
    old = Key.parse(key)
    pairs = [part.split(">") for part in old.edits.split(",") if part]
    kept = all(becomes.get(int(a), int(a)) == becomes.get(int(b), int(b)) for a, b in pairs)
    return str(replace(old, edits=edits_text(becomes))) if kept and old.model else key


@dataclass(frozen=True)
class Claim:
    """Kind and model of a folder's results, and files in its label and overlay folders before."""

    kind: Kind
    model: str
    foreign: tuple[str, ...] = ()

    def write(self, folder: Path) -> None:
        """Note it in the folder."""
        facts = {"format": FORMAT, "kind": self.kind, "model": self.model}
        foreign = {"foreign": list(self.foreign)} if self.foreign else {}
        write_atomic(inside(folder, NAME), json.dumps(facts | foreign) + "\n")


def read_claim(folder: Path) -> Claim | None:
    """Read what a folder is for; None where it does not say."""
    path = inside(folder, NAME)
    if not path.exists():
        return None
    try:
        with read_plain(path) as file:
            facts = parse_json(file.read(2**26).decode("utf-8"))
        kind: Kind = "classes" if facts["kind"] == "classes" else "concepts"
        return Claim(kind, str(facts["model"]), tuple(map(str, facts.get("foreign", []))))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{safe_text(path)}: cannot be read ({error}); use another -o") from None


def new_claim(folder: Path, kind: Kind, model: str) -> Claim:
    """Claim a folder in which acseg wrote nothing yet.

    Raises
    ------
    DataError
        If a table would be written over, or there are very many label maps of somebody else.
    """
    there = [name for name in TABLES if os.path.lexists(folder / name)]
    if there:
        raise DataError(
            f"{safe_text(folder)} holds {', '.join(there)}, of which it does not say which model "
            "wrote it; use another -o"
        )
    foreign: list[str] = []
    for name in FOLDERS:
        for here, _, files in os.walk(inside(folder, name)):
            below = Path(here).relative_to(folder)
            foreign += [(below / file).as_posix() for file in files]
    if len(foreign) > MOST_FOREIGN:
        raise DataError(f"{safe_text(folder)} holds {len(foreign):,} files already; use another -o")
    return Claim(kind, model, tuple(sorted(foreign)))
