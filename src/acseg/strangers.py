"""Reading small files that a stranger may have written: bounded, never waiting, never executing."""

import json
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

MOST_JSON = 2**24  # bytes of a config.json; a real one has some thousand
MOST_TENSORS = 2**33  # bytes of the weights of a RUN; a real file has some million


def check_file(path: Path, most: int) -> None:
    """Make sure that a path is a regular file of at most so many bytes.

    Raises
    ------
    OSError
        If it is not there, or is a pipe or a device, from which a reader could wait for ever.
    ValueError
        If it is larger.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(None, "not a regular file")
    if found.st_size > most:
        raise ValueError(f"{found.st_size:,} bytes, more than the {most:,} that such a file has")


def read_text(path: Path, *, most: int = MOST_JSON) -> str:
    """Read a regular file of UTF-8 text of at most so many bytes; errors as of `check_file`."""
    check_file(path, most)
    return path.read_text(encoding="utf-8")


def parse_json(text: str) -> Any:
    """Read JSON; ValueError for anything that is none, NaN and infinity, and nesting too deep."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")
