"""From what was typed (files, folders, globs) to the list of pictures to read."""

import glob
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from acseg.names import MARK, distinct, safe_text

_KINDS = (
    ("jpg", "jpeg", "jpe", "jfif", "mpo", "jp2", "avif", "webp", "png", "gif")
    + ("tif", "tiff", "bmp", "dib", "ppm", "pgm", "pbm", "pnm")
)  # fmt: skip
SUFFIXES = frozenset("." + kind for kind in _KINDS)
"""Endings of the files that a folder gives, in lower case. A file named outright needs none."""


_WRITTEN = frozenset({"labels", "overlays", "sheets"})  # folders that acseg writes

log = logging.getLogger("acseg")


@dataclass(frozen=True, slots=True)
class Source:
    """One picture to read.

    Attributes
    ----------
    file : str
        Where it lies; a Path is taken too.
    relative : str
        Its name in everything that is written: the path below the folder that was given (or the
        file's name), with ``/`` between the parts, valid text, different for every source.
    window : (top, left, height, width), optional
        The part of the picture that is meant, in px; default the whole.
    """

    file: str | Path
    relative: str
    window: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", os.fspath(self.file))  # a fifth of the bytes of a Path

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(self.file)


@dataclass(frozen=True)
class Failure:
    """One input that gave no picture: what was named, and why not."""

    path: str
    reason: str


def find_images(
    inputs: Sequence[str | Path], *, exclude: Sequence[str | Path] = ()
) -> tuple[list[Source], list[Failure]]:
    """Find the pictures that files, folders and globs stand for.

    A file named outright is always taken, whatever its ending. A folder is walked with its
    sub-folders and gives the files whose ending is in `SUFFIXES`; hidden files and folders are
    passed over, links are followed, and no folder is walked twice. Output folders of acseg below it
    are passed over, which is said; of one that is named itself, what acseg wrote is. A glob
    (``**`` means any depth) gives what a folder would. A file reached twice is taken once.

    Parameters
    ----------
    inputs : sequence of str or Path
        Files, folders or globs, in the order in which their pictures shall come. Inside a folder
        the order is that of the names.
    exclude : sequence of str or Path, default none
        Output folders of this call, which may lie inside the input folder or be it.

    Returns
    -------
    sources, failures : list of Source, list of Failure
        What was found, and each input that does not exist, cannot be opened or holds no picture.
    """
    failures: list[Failure] = []
    walk = _Walk({os.path.realpath(folder) for folder in exclude}, failures)
    found: dict[str, str] = {}  # absolute path -> relative name
    for item in inputs:
        for path, relative in walk.expand(Path(item)):
            found.setdefault(os.fspath(path), relative)
    if walk.outputs:
        log.warning(
            "passed over, as acseg wrote it: %s", ", ".join(map(safe_text, sorted(walk.outputs)))
        )
    names = distinct(list(found.values()), list(found))
    return [Source(path, name) for path, name in zip(found, names)], failures


class _Walk:
    """Looks for pictures, and notes what gave none and which output folders were passed over."""

    def __init__(self, own: set[str], failures: list[Failure]) -> None:
        self._own, self._failures = own, failures
        self.outputs: set[str] = set()
        self._marked: dict[str, bool] = {}

    def expand(self, item: Path) -> Iterator[tuple[Path, str]]:
        """Give (absolute path, relative name) of all pictures of an input; a failure if none."""
        kind = _kind(item)
        pairs: Iterable[tuple[Path, str]] = []
        if kind == "folder":
            pairs = self._walk(item)
            endings = ", ".join(sorted(SUFFIXES))
            nothing = f"the folder holds no picture (known endings: {endings})"
        elif kind == "file":
            pairs = [(_absolute(item), safe_text(item.name))]
            nothing = ""
        elif glob.has_magic(str(item)):
            pairs = self._match(item)
            nothing = "nothing that matches is a picture; quote the pattern, and check it with ls"
        else:
            nothing = kind
        some = False
        for pair in pairs:
            some = True
            yield pair
        if not some:
            self._failures.append(Failure(safe_text(item), nothing))

    def _walk(self, folder: Path) -> Iterator[tuple[Path, str]]:
        def unreadable(error: OSError) -> None:
            reason = f"cannot be opened ({error.strerror})"
            self._failures.append(Failure(safe_text(str(error.filename)), reason))

        seen: set[str] = set()
        for here, below, files in os.walk(folder, followlinks=True, onerror=unreadable):
            real = os.path.realpath(here)
            if real in seen or (Path(here) != folder and self._is_output(here, real)):
                below.clear()
                continue
            seen.add(real)
            written = _WRITTEN if MARK in below or real in self._own else frozenset()
            below[:] = sorted(n for n in below if not n.startswith(".") and n not in written)
            for name in sorted(files):
                path = Path(here, name)
                if _is_picture(path):
                    yield _absolute(path), safe_text(path.relative_to(folder).as_posix())

    def _match(self, pattern: Path) -> Iterator[tuple[Path, str]]:
        plain: list[str] = []  # the folders before the first wildcard
        for part in pattern.parts[:-1]:
            if glob.has_magic(part):
                break
            plain.append(part)
        root = Path(*plain) if plain else Path()
        for match in sorted(glob.glob(str(pattern), recursive=True)):
            path = Path(match)
            if self._in_output(path, root):
                continue
            if _kind(path) == "folder":
                for file, _ in self._walk(path):
                    yield file, safe_text(file.relative_to(_absolute(root)).as_posix())
            elif _is_picture(path):
                yield _absolute(path), safe_text(path.relative_to(root).as_posix())

    def _is_output(self, here: str, real: str) -> bool:
        """Whether a folder is an output folder; it is noted, unless it is that of this call."""
        if real in self._own:
            return True
        if real not in self._marked:
            self._marked[real] = os.path.isdir(os.path.join(here, MARK))
        if self._marked[real]:
            self.outputs.add(here)
        return self._marked[real]

    def _in_output(self, path: Path, root: Path) -> bool:
        """Whether a match lies in an output folder, or among what acseg wrote beside pictures."""
        for folder in [path, *path.parents]:
            if folder == root:
                break
            if _kind(folder) == "folder" and self._is_output(str(folder), os.path.realpath(folder)):
                return True
        written = path.relative_to(root).parts[:1]
        return (
            bool(written)
            and written[0] in _WRITTEN
            and (os.path.realpath(root) in self._own or (root / MARK).is_dir())
        )


def _kind(item: Path) -> str:
    """Say "folder", "file" (or a link, wherever it leads), or why it is neither."""
    try:
        if item.is_dir():
            return "folder"
        if item.is_file() or item.is_symlink():
            return "file"
        return "is neither a file nor a folder" if item.exists() else "no such file or folder"
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        return error.strerror or "cannot be looked at"


def _is_picture(path: Path) -> bool:
    """Whether a folder gives this file: known ending, not hidden; a pipe is named when read."""
    if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
        return False
    return _kind(path) != "folder"


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))
