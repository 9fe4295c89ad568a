"""Where the files of a picture lie in an output folder."""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from acseg.names import MARK, numbered

LEAVES = f"{MARK}/leaves"
"""Folder of the maps of finest parts, by which a picture can be divided otherwise."""

LONGEST_NAME = 250  # bytes of a file's name; most disks take 255


def label_name(relatives: Iterable[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Name the label map of each picture, below ``labels/``.

    The suffix is replaced by ``.png``; where two pictures would meet, both keep their full name
    (``a.jpg`` and ``a.tif`` become ``a.jpg.png`` and ``a.tif.png``). Names that differ in the case
    of letters alone meet on many disks, and get a number (``A.jpg.png``, ``a~2.jpg.png``). Names
    too long for a disk are cut, and end with a digest.

    Parameters
    ----------
    relatives : iterable of str
        Relative names of pictures.
    given : mapping of str to str, optional
        Label maps of pictures that have one already; those of `relatives` stay as they are, and
        others are kept clear of.

    Returns
    -------
    dict
        From each relative name to the label map's path.
    """
    given = given or {}
    names = {n: given.get(n) or str(PurePosixPath(n).with_suffix(".png")) for n in relatives}
    fixed = [place for name, place in given.items() if name not in names]
    fixed += [given[name] for name in names if name in given]
    free = [name for name in names if name not in given]
    while True:
        counts = Counter(map(_key, [*fixed, *(names[n] for n in free)]))
        meeting = [n for n in free if counts[_key(names[n])] > 1 and names[n] != n + ".png"]
        if not meeting:
            break
        for name in meeting:
            names[name] = name + ".png"
    apart = numbered([*fixed, *(names[n] for n in free)], key=_key)[len(fixed) :]
    return names | {n: bounded(place) for n, place in zip(free, apart, strict=True)}


def leaves_of(labels: str) -> str:
    """Say where the map of the finest parts of a picture lies, seen from the output folder.

    Parameters
    ----------
    labels : str
        The label map, with or without ``labels/`` in front.
    """
    return f"{LEAVES}/{labels.removeprefix('labels/')}"


def overlay_of(labels: str) -> str:
    """Name the overlay of a label map: ``overlays/sub/a.jpg`` for ``labels/sub/a.png``."""
    return "overlays/" + labels.removeprefix("labels/").removesuffix(".png") + ".jpg"


def source_of(folder: Path, path: Path) -> str:
    """Say where a photograph lies, from the output folder; `locate` is the way back."""
    return os.path.relpath(path, os.path.abspath(folder))


def locate(folder: Path, source: str) -> Path:
    """Find what a record calls `source`, seen from the folder under the name that it was given."""
    return Path(os.path.normpath(os.path.join(os.path.abspath(folder), source)))


def bounded(name: str) -> str:
    """Shorten the parts of a path that no file system would take; others stay as they are.

    A name may have 255 bytes on disk, and `acseg.names.safe_text` writes some bytes with three
    characters. What is cut off is replaced by a digest of the part, so that names stay different.
    """
    parts = []
    for part in PurePosixPath(name).parts:
        raw = part.encode("utf-8", "surrogatepass")
        if len(raw) > LONGEST_NAME:
            ending = PurePosixPath(part).suffix[-8:]
            digest = "~" + hashlib.sha256(raw).hexdigest()[:16] + ending
            part = raw[: LONGEST_NAME - len(digest)].decode("utf-8", "ignore") + digest
        parts.append(part)
    return "/".join(parts)


def _key(name: str) -> str:
    """Fold what a disk may take for the same name."""
    return unicodedata.normalize("NFC", name).casefold()
