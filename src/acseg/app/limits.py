"""What one visitor may ask of the application."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits on what is dropped, so that one picture cannot take the machine.

    Attributes
    ----------
    megabytes : float
        Most size of a file; 1 to 200.
    megapixels : float
        Most pixels of a picture, told from its header before it is decoded; 1 to 178.
    seconds : float
        Most time that sending a picture may take; 10 to 600.
    held : int
        Pictures kept in memory for all visitors together; the one not used longest goes first.
    """

    megabytes: float = 30
    megapixels: float = 64
    seconds: float = 60
    held: int = 16

    @property
    def bytes(self) -> int:
        """Most size of a file in bytes."""
        return int(self.megabytes * 1_000_000)
