"""Names that a visitor gives: kept while the page is open, written to a RUN when asked."""

from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from acseg.errors import RunError
from acseg.names import safe_text
from acseg.naming.edits import edits_of
from acseg.run import write_names

LONGEST = 80  # characters of a name

_writing = Lock()


def clean_name(name: str) -> str:
    """Make one line of a name: no control characters, no blanks around it, not too long."""
    return safe_text(" ".join(name.split()))[:LONGEST].strip()


def with_names(names: Mapping[int, str], given: Mapping[int, str]) -> dict[int, str]:
    """Put the names given over those that were there; an empty one takes a name away."""
    return {label: name for label, name in sorted({**names, **given}.items()) if name}


def save_names(run: Path, given: Mapping[int, str]) -> dict[int, str]:
    """Write names into RUN/config.json; everything else in it stays as it is.

    Parameters
    ----------
    run : Path
    given : mapping of class id to str
        Only these are changed; an empty one takes a name away.

    Returns
    -------
    dict of int to str
        All names of the RUN.

    Raises
    ------
    DataError
        If there is no such class.
    RunError
        If the folder is no RUN, has no classes, or cannot be written.
    """
    with _writing:
        edits = edits_of(run)
        for label, name in given.items():
            edits = edits.rename(label, clean_name(name))
        try:
            write_names(run, edits.names, edits.becomes)
        except OSError as error:
            raise RunError(f"cannot write to {run}: {error.strerror}") from error
        return dict(edits.names)
