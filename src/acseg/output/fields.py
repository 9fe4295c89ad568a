"""Checks of the values in files that somebody else may have written; each raises or gives one."""

from pathlib import PurePosixPath
from typing import Any

from acseg.names import safe_text
from acseg.untrusted import is_inside

Box = tuple[int, int, int, int]
LARGEST = 2**31  # px of a side


def text(value: Any) -> str:
    """Take text, made safe to show."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return safe_text(value)  # a file of a stranger may hold what no terminal should be shown


def path_inside(value: Any) -> str:
    """Take the path of a file inside the folder, and none that leads out of it."""
    path = text(value)
    if not is_inside(path):
        raise ValueError(f"{path!r} is no path inside the folder")
    return path


def picture_name(value: Any) -> str:
    """Take the relative name of a picture: below some folder, and not that folder."""
    path = text(value)
    pure = PurePosixPath(path)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts:
        raise ValueError(f"path {path!r} is no relative name of a picture")
    return path


def size(value: Any) -> tuple[int, int]:
    """Take a width and a height."""
    width, height = (int(number) for number in value)
    if not (1 <= width <= LARGEST and 1 <= height <= LARGEST):
        raise ValueError(f"size {value!r} is no width and height")
    return width, height


def tree(value: Any) -> dict[str, Any]:
    """Take a JSON object as it is."""
    if not isinstance(value, dict):
        raise TypeError(f"tree {value!r} is no object")
    return value


def positive(value: Any) -> float:
    """Take a number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e300:
        raise ValueError(f"{value!r} is no number above 0")
    return float(value)


def label(value: Any) -> int:
    """Take a label, 0..254."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 254:
        raise ValueError(f"id {value!r} is no label 0..254")
    return value


def share(value: Any, what: str) -> float:
    """Take a share, 0..1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{what} {value!r} does not lie in 0..1")
    return float(value)


def box(value: Any) -> Box:
    """Take left, top, width, height."""
    left, top, width, height = (int(number) for number in value)
    if not (0 <= left <= LARGEST and 0 <= top <= LARGEST):
        raise ValueError(f"box {value!r} is no left, top, width, height")
    if not (1 <= width <= LARGEST and 1 <= height <= LARGEST):
        raise ValueError(f"box {value!r} is no left, top, width, height")
    return left, top, width, height


def colour(value: Any) -> tuple[int, int, int]:
    """Take red, green, blue, or "#rrggbb"."""
    if isinstance(value, str):
        value = list(bytes.fromhex(value.removeprefix("#")))
    red, green, blue = (int(number) for number in value)
    if not all(0 <= number <= 255 for number in (red, green, blue)):
        raise ValueError(f"colour {value!r} does not lie in 0..255")
    return red, green, blue
