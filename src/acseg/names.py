"""Names of files as text that every terminal, JSON reader and file system can carry."""

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

MARK = ".acseg"
"""The folder that marks an output folder and holds what acseg notes about it."""

# Characters that turn the direction of text, so that a name reads as another; and line separators.
_TURNING = frozenset(
    "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def safe_text(name: str | os.PathLike[str]) -> str:
    """Return a file name as valid text without control characters.

    On Linux a file name is a row of bytes and need not be text. Bytes that are not UTF-8, control
    characters such as a line break, and characters that change the direction of text (U+202E) are
    written as ``%`` and two hexadecimal digits a byte; everything else stays as it is.

    Parameters
    ----------
    name : str or path
        A name as `os` gives it (undecodable bytes as surrogates).
    """
    text = os.fspath(name)
    if text.isascii() and text.isprintable():  # as nearly all are
        return text
    return "".join(map(_escape, text))


def _escape(character: str) -> str:
    if unicodedata.category(character) not in ("Cc", "Cs") and character not in _TURNING:
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


def numbered(names: Sequence[str], key: Callable[[str], str] = lambda name: name) -> list[str]:
    """Make names unique by a number: ``a.jpg``, ``a~2.jpg``; one that is taken is passed over.

    Parameters
    ----------
    names : sequence of str
    key : callable
        Names of one key count as the same.
    """
    names, taken = list(names), {key(name) for name in names}
    seen: set[str] = set()
    for i, name in enumerate(names):
        number = 2
        while key(names[i]) in seen:
            path = PurePosixPath(name)
            candidate = str(path.with_name(f"{path.stem}~{number}{path.suffix}"))
            number += 1
            if key(candidate) not in taken:
                names[i] = candidate
        seen.add(key(names[i]))
    return names
