"""Names of files as text that every terminal, JSON reader and file system can carry."""

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath


def safe_text(name: str | os.PathLike[str]) -> str:
    """Return a file name as valid text without control characters.

    On Linux a file name is a row of bytes and need not be text. Bytes that are not UTF-8, and
    control characters such as a line break, are written as ``%`` and two hexadecimal digits;
    everything else stays as it is.

    Parameters
    ----------
    name : str or path
        A name as `os` gives it (undecodable bytes as surrogates).
    """
    return "".join(_escape(character) for character in os.fspath(name))


def _escape(character: str) -> str:
    if unicodedata.category(character) not in ("Cc", "Cs"):
        return character
    raw = character.encode("utf-8", "surrogateescape" if _is_byte(character) else "surrogatepass")
    return "".join(f"%{byte:02X}" for byte in raw)


def _is_byte(character: str) -> bool:
    return "\udc80" <= character <= "\udcff"


def distinct(relatives: Sequence[str], paths: Sequence[str | Path]) -> list[str]:
    """Make relative names unique by putting parent folders in front where they meet.

    ``left/a.jpg`` and ``right/a.jpg``, both given as files, are called ``a.jpg`` at first and
    ``left/a.jpg`` and ``right/a.jpg`` in the end. Where no parent folder is left, a number does it.

    Parameters
    ----------
    relatives : sequence of str
        The names wished for; each the end of its path.
    paths : sequence of str or Path
        The absolute paths of the same files.
    """
    names = list(relatives)
    while True:
        counts = Counter(names)
        longer = False
        for i, name in enumerate(names):
            if counts[name] < 2:
                continue
            depth = len(PurePosixPath(name).parts)
            parts = [safe_text(part) for part in Path(paths[i]).parts[1:]]
            if depth < len(parts):
                names[i] = "/".join(parts[-depth - 1 :])
                longer = True
        if not longer:
            return numbered(names)


def numbered(names: list[str]) -> list[str]:
    """Make names unique by a number: ``a.jpg``, ``a~2.jpg``; one that is taken is passed over."""
    names, taken = list(names), set(names)
    seen: set[str] = set()
    for i, name in enumerate(names):
        number = 2
        while names[i] in seen:
            path = PurePosixPath(name)
            candidate = str(path.with_name(f"{path.stem}~{number}{path.suffix}"))
            number += 1
            if candidate not in taken:
                names[i] = candidate
        seen.add(names[i])
    return names
