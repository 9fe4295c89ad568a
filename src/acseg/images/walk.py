"""From what was typed (files, folders, globs) to the list of pictures to read."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from acseg.images.names import distinct, safe_text

_KINDS = (
    ("jpg", "jpeg", "jpe", "jfif", "mpo", "jp2", "avif", "webp", "png", "gif")
    + ("tif", "tiff", "bmp", "dib", "ppm", "pgm", "pbm", "pnm")
)  # fmt: skip
SUFFIXES = frozenset("." + kind for kind in _KINDS)
"""Endings of the files that a folder gives, in lower case. A file named outright needs none."""


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
    passed over, links are followed, and no folder is walked twice. A glob (``**`` means any
    depth) gives what a folder would. A file reached twice is taken once.

    Parameters
    ----------
    inputs : sequence of str or Path
        Files, folders or globs, in the order in which their pictures shall come. Inside a folder
        the order is that of the names.
    exclude : sequence of str or Path, default none
        Folders that are not walked, such as an output folder inside the input folder.

    Returns
    -------
    sources, failures : list of Source, list of Failure
        What was found, and each input that does not exist, cannot be opened or holds no picture.
    """
    failures: list[Failure] = []
    shut = {os.path.realpath(folder) for folder in exclude}
    found: dict[str, str] = {}  # absolute path -> relative name
    for item in inputs:
        for path, relative in _expand(Path(item), shut, failures):
            found.setdefault(os.fspath(path), relative)
    names = distinct(list(found.values()), list(found))
    return [Source(path, name) for path, name in zip(found, names)], failures


def _expand(item: Path, shut: set[str], failures: list[Failure]) -> Iterator[tuple[Path, str]]:
    """Give (absolute path, relative name) of all pictures of one input; note a failure if none."""
    kind = _kind(item)
    pairs: Iterable[tuple[Path, str]] = []
    if kind == "folder":
        pairs = _walk(item, shut, failures)
        nothing = "the folder holds no picture (known endings: " + ", ".join(sorted(SUFFIXES)) + ")"
    elif kind == "file":
        pairs = [(_absolute(item), safe_text(item.name))]
        nothing = ""
    elif glob.has_magic(str(item)):
        pairs = _match(item, shut, failures)
        nothing = "nothing that matches is a picture; quote the pattern, and check it with ls"
    else:
        nothing = kind
    some = False
    for pair in pairs:
        some = True
        yield pair
    if not some:
        failures.append(Failure(safe_text(item), nothing))


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


def _walk(folder: Path, shut: set[str], failures: list[Failure]) -> Iterator[tuple[Path, str]]:
    def unreadable(error: OSError) -> None:
        reason = f"cannot be opened ({error.strerror})"
        failures.append(Failure(safe_text(str(error.filename)), reason))

    seen = set(shut)
    for here, below, files in os.walk(folder, followlinks=True, onerror=unreadable):
        real = os.path.realpath(here)
        if real in seen:  # a link that leads back, or a folder to leave alone
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(files):
            path = Path(here, name)
            if _is_picture(path):
                yield _absolute(path), safe_text(path.relative_to(folder).as_posix())


def _match(pattern: Path, shut: set[str], failures: list[Failure]) -> Iterator[tuple[Path, str]]:
    plain: list[str] = []  # the folders before the first wildcard
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        plain.append(part)
    root = Path(*plain) if plain else Path()
    for match in sorted(glob.glob(str(pattern), recursive=True)):
        path = Path(match)
        if _below(path, shut):
            continue
        if _kind(path) == "folder":
            for file, _ in _walk(path, shut, failures):
                yield file, safe_text(file.relative_to(_absolute(root)).as_posix())
        elif _is_picture(path):
            yield _absolute(path), safe_text(path.relative_to(root).as_posix())


def _below(path: Path, shut: set[str]) -> bool:
    """Whether a file or folder lies in one of these folders, at any depth."""
    return not shut.isdisjoint(map(str, Path(os.path.realpath(path)).parents))


def _is_picture(path: Path) -> bool:
    """Whether a folder gives this file: known ending, not hidden; a pipe is named when read."""
    if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
        return False
    return _kind(path) != "folder"


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))
