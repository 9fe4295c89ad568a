"""Under which names the pictures of a call are kept beside those of earlier calls."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from acseg.names import safe_text
from acseg.output.claim import Key
from acseg.output.manifest import Entry
from acseg.output.names import locate, source_of


def name_inputs(
    folder: Path, inputs: Sequence[tuple[str, Path]], entries: Iterable[Entry], key: str
) -> tuple[list[str], dict[str, str], int]:
    """Name pictures so that the same photograph has the same name again, and another has not.

    A photograph that the folder has keeps its name there. A name that another photograph has gets
    parent folders in front, unless that one is gone: then it was moved, and is replaced.

    Parameters
    ----------
    folder : Path
    inputs : sequence of (str, Path)
        The name wished for, and the file.
    entries : iterable of Entry
        What the folder has.
    key : str
        What draws them; see `acseg.output.claim`.

    Returns
    -------
    names : list of str
    given : dict of str to str
        Label maps, below ``labels/``, of all pictures that have one.
    other : int
        Pictures beside these that were drawn with other settings, merges or drops.
    """
    now = Key.parse(key)
    names_of: dict[str, str] = {}  # by where the photograph lies
    sources: dict[str, str] = {}
    given: dict[str, str] = {}
    differ: set[str] = set()
    for entry in entries:
        if not entry.ok:
            continue
        old = Key.parse(entry.model)
        if old.model and not old.mixes_with(now):
            differ.add(entry.path)
        for name in entry.files:
            if name.startswith("labels/"):
                given[entry.path] = name.removeprefix("labels/")
        sources[entry.path] = entry.source
        if entry.source:
            names_of[entry.source] = entry.path
    names: list[str] = [""] * len(inputs)
    taken: set[str] = set()
    for i, (_, path) in enumerate(inputs):
        known = names_of.get(source_of(folder, path))
        if known is not None and known not in taken:
            names[i] = known
            taken.add(known)
    for i, (relative, path) in enumerate(inputs):
        if names[i]:
            continue
        for name in _candidates(relative, path):
            source = sources.get(name)
            if name not in taken and not (source and locate(folder, source).exists()):
                names[i] = name
                taken.add(name)
                break
    return names, given, len(differ - taken)


def _candidates(relative: str, path: Path) -> Iterator[str]:
    """Give names for a picture: with more and more parent folders in front, then with a number."""
    yield relative
    parts = [safe_text(part) for part in path.absolute().parts[1:]]
    for depth in range(len(PurePosixPath(relative).parts) + 1, len(parts) + 1):
        yield "/".join(parts[-depth:])
    number = 2
    while True:
        pure = PurePosixPath(relative)
        yield str(pure.with_name(f"{pure.stem}~{number}{pure.suffix}"))
        number += 1
