"""What every format does: it takes one picture after the other, and finishes."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from acseg.export.regions import Instances
from acseg.export.source import Labelled, Legend


@dataclass(frozen=True)
class Options:
    """How to export; each format reads those that it names in `Format.reads`.

    Attributes
    ----------
    instances : "classes" or "components", default "classes"
        One region a class and picture, or one for each part that hangs together.
    polygons : bool, default False
        Outlines instead of run lengths.
    images : bool, default False
        Copy the photographs too.
    image_url : str, default "/data/local-files/?d="
        What stands before the relative name of a photograph in its address.
    """

    instances: Instances = "classes"
    polygons: bool = False
    images: bool = False
    image_url: str = "/data/local-files/?d="


class Format(ABC):
    """One export under way.

    Parameters
    ----------
    target : Path
        The file or folder to write; checked already.
    legend : Legend
    options : Options

    Attributes
    ----------
    notes : list of str
        What the user is to be told at the end.
    seen : set of int
        Labels that are listed or occur in a picture that was written; kept by the caller.
    """

    suffix: ClassVar[str | None] = None
    """If `target` ends in this, a file is written; else, and always if None, a folder."""
    reads: ClassVar[frozenset[str]] = frozenset()
    """The options that the format knows."""

    def __init__(self, target: Path, legend: Legend, options: Options) -> None:
        self.target, self.legend, self.options = target, legend, options
        self.notes: list[str] = []
        self.seen: set[int] = set(legend.listed)

    @classmethod
    def is_file(cls, target: Path) -> bool:
        """Tell whether `target` is to be a file."""
        return cls.suffix is not None and target.suffix.lower() == cls.suffix

    @classmethod
    def places(cls, target: Path) -> list[tuple[Path, bool]]:
        """List what `target` stands for, and of each whether it is a folder."""
        return [(target, not cls.is_file(target))]

    @abstractmethod
    def add(self, picture: Labelled) -> None:
        """Write one picture, or raise an AcsegError or OSError and leave nothing of it listed."""

    def finish(self) -> None:  # noqa: B027 - most formats of single files have nothing to do
        """Write what is known only at the end, and give the files their names."""

    def discard(self) -> None:  # noqa: B027
        """Remove what is not finished; called in any case."""
