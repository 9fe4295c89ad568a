"""The results of a run in a file, a line for each row and seed, so that a killed run goes on."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from acseg.errors import DataError
from acseg.output.atomic import write_atomic


@dataclass(frozen=True)
class Result:
    """Figures of a row with one seed.

    Attributes
    ----------
    recipe, row : str
        Title and name.
    images : int
        At most so many pictures of each split; 0 is all.
    seed : int
    fingerprint : str
        Of all that the figures depend on; see `acseg.experiments.experiment.Experiment`.
    figures : dict of str to float
    failed : dict of str to str
        Reason of each picture that could not be read.
    """

    recipe: str
    row: str
    images: int
    seed: int
    fingerprint: str
    figures: dict[str, float]
    failed: dict[str, str]


class Results:
    """Results by fingerprint and seed, in memory, and in a JSON-lines file where there is one.

    Parameters
    ----------
    path : Path, optional
        Read if it is there. Written whole after each result, so that no line is ever half.

    Raises
    ------
    DataError
        If the file cannot be read or is another kind of file.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._all: list[Result] = []
        if path is not None and path.exists():
            self._all = _read(path)

    def __len__(self) -> int:
        return len(self._all)

    def find(self, fingerprint: str, seed: int) -> Result | None:
        """Give the result of the same row, settings, weights and pictures, if it is there."""
        for result in self._all:
            if (result.fingerprint, result.seed) == (fingerprint, seed):
                return result
        return None

    def add(self, result: Result) -> None:
        """Keep a result after those that are there; other recipes may be in the same file."""
        self._all.append(result)
        if self._path is not None:
            lines = (json.dumps(asdict(one), ensure_ascii=False) for one in self._all)
            write_atomic(self._path, "".join(line + "\n" for line in lines))


def _read(path: Path) -> list[Result]:
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the results {path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        try:
            values: dict[str, Any] = json.loads(line)
            found.append(Result(**values))
        except (ValueError, TypeError):
            raise DataError(
                f"{path}, line {number}: no result that acseg reproduce wrote; name another file"
            ) from None
    return found
