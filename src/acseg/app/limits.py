"""What visitors may ask of the application, and the memory that all of them share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition

BYTES_A_PIXEL = 48  # that decoding and drawing a picture take at most; 16-bit PNGs take most


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits on what is dropped, so that no visitor can take the machine.

    Attributes
    ----------
    bytes : int
        Most size of a file.
    pixels : int
        Most pixels of a picture, told from its header before it is decoded.
    seconds : float
        Most time that sending a picture may take.
    pictures : int
        Most pictures that one visitor keeps.
    share : int
        Bytes that one visitor's pictures may take.
    held : int
        Bytes that the pictures of all visitors together may take.
    memory : int
        Bytes that decoding and drawing may take at any time.
    """

    bytes: int = 30_000_000
    pixels: int = 64_000_000
    seconds: float = 60
    pictures: int = 2000
    share: int = 1_000_000_000
    held: int = 2_000_000_000
    memory: int = 4_000_000_000


class Budget:
    """Memory that threads take and give back; one that finds too little waits.

    Parameters
    ----------
    total : int
        Bytes. Who asks for more than all of it gets all of it, alone.
    """

    def __init__(self, total: int) -> None:
        self.total = self.free = total
        self._changed = Condition()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Take what a picture of so many pixels needs."""
        wanted = min(self.total, pixels * BYTES_A_PIXEL)
        with self._changed:
            self._changed.wait_for(lambda: self.free >= wanted)
            self.free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self.free += wanted
                self._changed.notify_all()
