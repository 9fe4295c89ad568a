"""Files that are there whole or not at all; the one pattern of the names of unfinished ones."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

PARTIAL = re.compile(r"\.[0-9a-f]{16}\.part")
"""Names of unfinished files; what a killed process left of them may be deleted."""


class AtomicFile:
    """A file that is written piece by piece and takes its name when it is whole.

    It grows under a temporary name in the same folder. Folders that are missing are made; whatever
    stood under the name stays until then. A link under the name is replaced, never followed.

    Parameters
    ----------
    path : str or Path
        The name that it takes.

    Attributes
    ----------
    partial : Path
        The temporary name.
    file : binary file
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.partial = self.path.parent / f".{secrets.token_hex(8)}.part"
        self.file: BinaryIO = self.partial.open("xb")

    def write(self, data: bytes | str) -> None:
        """Add to the end; text as UTF-8.

        Raises
        ------
        OSError
            Naming the file, such as on a full disk.
        """
        try:
            self.file.write(data.encode("utf-8") if isinstance(data, str) else data)
        except OSError as error:
            raise _named(error, self.path) from error

    def keep(self) -> None:
        """Give the file its name."""
        try:
            self.file.close()
            os.replace(self.partial, self.path)
        except OSError as error:
            raise _named(error, self.path) from error

    def discard(self) -> None:
        """Remove what was written, unless it was kept."""
        try:
            self.file.close()
        except OSError:  # what could not be flushed goes away as well
            pass
        finally:
            self.partial.unlink(missing_ok=True)

    def __enter__(self) -> "AtomicFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.keep()
        finally:
            self.discard()


@contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name when the block ends well, and else is gone."""
    with AtomicFile(path) as growing:
        try:
            yield growing.file
        except OSError as error:
            raise _named(error, growing.path) from error


def write_atomic(path: str | Path, data: bytes | str) -> Path:
    """Write a file so that it is there whole or not at all; text as UTF-8. Give `path`."""
    with AtomicFile(path) as growing:
        growing.write(data)
    return growing.path


def remove_partials(folder: Path, *, deep: bool = False) -> None:
    """Remove the unfinished files that a killed process left in a folder, and below it if `deep`.

    Only where nothing else writes at the moment: hold the lock of the folder. Links are not
    followed.
    """
    if folder.is_symlink():
        return
    for here, below, files in os.walk(folder):
        for name in files:
            if PARTIAL.fullmatch(name):
                Path(here, name).unlink(missing_ok=True)
        if not deep:
            below.clear()


def _named(error: OSError, path: Path) -> OSError:
    """Name the file that is being written in an error of the disk, which names none."""
    if error.filename is not None or error.errno is None:
        return error
    return type(error)(error.errno, error.strerror, str(path))
