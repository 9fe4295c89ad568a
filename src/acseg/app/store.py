"""The pictures of each visitor, in memory only; nothing that is dropped is written to disk."""

import secrets
import time
from dataclasses import dataclass, field
from threading import Lock

from acseg.app.drawn import Drawn
from acseg.app.guard import Refused
from acseg.app.limits import Limits
from acseg.names import safe_text

IDLE = 3600.0  # seconds after which the pictures of a visitor who is gone may be forgotten


@dataclass
class Held:
    """One picture of one visitor.

    Attributes
    ----------
    word : str
        A secret under which its own visitor asks for it.
    name : str
        What the file is called; text, never used as a path.
    data : bytes
        Content of the file.
    drawn : Drawn or None
        What was found in it.
    """

    word: str
    name: str
    data: bytes
    drawn: Drawn | None = None

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return len(self.data) + (self.drawn.bytes if self.drawn else 0)


@dataclass
class Visitor:
    """What one browser has dropped, and how it is drawn."""

    model: int = 0
    kind: str = ""  # "concepts" or "classes"; empty for what the model has
    pictures: dict[str, Held] = field(default_factory=dict)
    seen: float = 0.0

    @property
    def bytes(self) -> int:
        """Memory that the pictures take."""
        return sum(held.bytes for held in self.pictures.values())


class Store:
    """Pictures of all visitors, each out of the others' reach.

    A visitor who asks for too much is refused; no picture of another one ever goes for it.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._visitors: dict[str, Visitor] = {}
        self._lock = Lock()

    def visitor(self, key: str) -> Visitor:
        """Give what a browser has dropped so far."""
        with self._lock:
            found = self._visitors.get(key)
            if found is None:
                self._forget_idle()
                found = self._visitors[key] = Visitor()
            found.seen = time.monotonic()
            return found

    def put(self, visitor: Visitor, name: str, data: bytes) -> Held:
        """Keep a file.

        Raises
        ------
        Refused
            If the visitor, or all visitors together, keep too much already.
        """
        name = safe_text(name)[:200] or "picture"
        with self._lock:
            if len(visitor.pictures) >= self.limits.pictures:
                raise Refused(507, f"{len(visitor.pictures)} pictures are here; clear some first")
            if visitor.bytes + len(data) > self.limits.share:
                raise Refused(507, "your pictures take all the memory they may; clear some first")
            if self.bytes + len(data) > self.limits.held:
                self._forget_idle()
                if self.bytes + len(data) > self.limits.held:
                    raise Refused(507, "the application is full; try again later")
            taken = {held.name for held in visitor.pictures.values()}
            stem, dot, suffix = name.rpartition(".")
            number, wished = 2, name
            while name in taken:
                name = f"{stem}~{number}{dot}{suffix}" if dot else f"{wished}~{number}"
                number += 1
            held = Held(secrets.token_urlsafe(24), name, data)
            visitor.pictures[held.word] = held
            return held

    def get(self, visitor: Visitor, word: str) -> Held:
        """Find a picture of a visitor.

        Raises
        ------
        Refused
            If this visitor has no such picture.
        """
        held = visitor.pictures.get(word)
        if held is None:
            raise Refused(404, "this picture is no longer here; drop it again")
        return held

    def remove(self, visitor: Visitor, word: str | None = None) -> None:
        """Forget a picture, or all of a visitor."""
        with self._lock:
            if word is None:
                visitor.pictures.clear()
            else:
                visitor.pictures.pop(word, None)

    @property
    def bytes(self) -> int:
        """Memory that all pictures take."""
        return sum(visitor.bytes for visitor in self._visitors.values())

    def _forget_idle(self) -> None:
        old = time.monotonic() - IDLE
        for key in [k for k, v in self._visitors.items() if v.seen < old]:
            del self._visitors[key]
