"""Pictures that were dropped: checked, and held in memory only, each under a secret word."""

import io
import secrets
import warnings
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from acseg.app.limits import Limits
from acseg.errors import ImageError
from acseg.images.bands import PLAIN, Reading
from acseg.images.read import read_image
from acseg.names import safe_text


@dataclass
class Dropped:
    """One picture of one visitor.

    Attributes
    ----------
    name : str
        What the visitor's file is called; text, never used as a path.
    data : bytes
        Content of the file.
    names : dict
        Names given to its concepts: for each way to draw it, by id.
    drawn : dict
        What was drawn of it lately, by the way to draw it.
    shown : Any
        How it is shown now; what the downloads are made from.
    """

    name: str
    data: bytes
    names: dict[Any, dict[int, str]] = field(default_factory=dict)
    drawn: dict[Any, Any] = field(default_factory=dict)
    shown: Any = None


class Shelf:
    """Holds the pictures of all visitors, at most so many; nothing is written to disk."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._held: OrderedDict[str, Dropped] = OrderedDict()
        self._lock = Lock()

    def put(self, name: str, data: bytes) -> str:
        """Keep a file and return the secret word under which it is found again."""
        word = secrets.token_urlsafe(24)
        with self._lock:
            self._held[word] = Dropped(safe_text(name)[:200] or "picture", data)
            while len(self._held) > self.limits.held:
                self._held.popitem(last=False)
        return word

    def get(self, word: str | None) -> Dropped | None:
        """Find a picture; None where it is not, or no longer, held."""
        with self._lock:
            if not isinstance(word, str) or word not in self._held:
                return None
            self._held.move_to_end(word)
            return self._held[word]

    def drop(self, word: str | None) -> None:
        """Forget a picture."""
        with self._lock:
            self._held.pop(word or "", None)


def read_dropped(name: str, data: bytes, limits: Limits, *, reading: Reading = PLAIN) -> np.ndarray:
    """Read what was dropped: (H, W, 3) uint8, upright.

    Raises
    ------
    ImageError
        With the name and what is wrong, if it is no picture, is broken, or is over a limit.
    """
    if len(data) > limits.bytes:
        raise ImageError(
            f"{name}: {len(data) / 1e6:.1f} MB, more than the {limits.megabytes:g} MB allowed here"
        )
    size = _size(data)
    if size is not None and size[0] * size[1] > limits.megapixels * 1e6:
        raise ImageError(
            f"{name}: {size[0]} x {size[1]} pixels, more than the {limits.megapixels:g} million "
            "allowed here; make it smaller, or use `acseg segment`"
        )
    return read_image(data, name=name, reading=reading)


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the header; None where Pillow cannot tell, `read_image` then says."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as picture:
                return picture.size
    except Exception:  # noqa: BLE001 - decoders raise nearly everything on broken data
        return None
