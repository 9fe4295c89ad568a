"""What every data set has in common: where it lies, what is in it, how it is scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from acseg.errors import DataError, ImageError
from acseg.evaluation.confusion import VOID
from research.datasets.crops import CROPS, crop

Files = list[tuple[str, Path, Path]]  # name, image, mask


@dataclass(frozen=True)
class Sample:
    """One picture with its ground truth; nothing is read before it is asked for.

    Attributes
    ----------
    name : str
        Name without suffix, different for every sample of the split.
    image_path, mask_path : Path
        Where the two lie.
    image : callable
        Read the picture: (H, W, 3) uint8.
    mask : callable
        Read the classes: (H, W) int64 with the void value of the data set. The mapping from the
        values in the file to the classes of the protocol is done.
    """

    name: str
    image_path: Path
    mask_path: Path
    image: Callable[[], np.ndarray] = field(repr=False)
    mask: Callable[[], np.ndarray] = field(repr=False)


class DataSet(ABC):
    """A labelled data set in one of the layouts that people have on disk.

    Parameters
    ----------
    root : str or Path
        The data set's folder, or one above it (see `homes`).
    split : str, optional
        Which part; by default `default_split`.
    crop : str, optional
        How pictures are cut for scoring, one of `crops`; by default the first of them.

    Raises
    ------
    DataError
        If the data set is not there, or the split or crop is unknown or has no pictures.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    """Who gives the data set out, by name."""
    homes: ClassVar[tuple[str, ...]] = (".",)
    """Folders below the root where it may lie, tried in this order."""
    layout: ClassVar[str]
    """What the folder holds, in words."""
    counts: ClassVar[dict[str, int | None]]
    """Official number of pictures of each split."""
    default_split: ClassVar[str] = "val"
    crops: ClassVar[tuple[str, ...]] = ("full",)
    """Crop rules in use for this data set, the usual one first."""
    classes: tuple[str, ...]
    """Names of the classes 0, 1, ..."""
    void: int = VOID

    def __init__(self, root: str | Path, split: str | None = None, *, crop: str | None = None):
        home = self.find_home(Path(root))
        if home is None:
            raise DataError(
                f"{root}: no {self.title} here; expected {self.layout}; it comes from {self.source}"
            )
        self.home = home
        splits = self.splits(home)
        self.split = split or (
            self.default_split if self.default_split in splits else next(iter(splits))
        )
        if self.split not in splits:
            raise DataError(
                f"{self.title} has no split {self.split!r}; take one of {', '.join(splits)}"
            )
        self.crop = crop or self.crops[0]
        if self.crop not in CROPS:
            raise DataError(f"crop {self.crop!r} is unknown; take one of {', '.join(CROPS)}")
        self._files = self.files(home, self.split)
        if not self._files:
            raise DataError(
                f"{home}: no picture for the split {self.split!r} of {self.title}; "
                f"'acseg data check {self.name}' says what is missing"
            )

    @classmethod
    @abstractmethod
    def is_home(cls, folder: Path) -> bool:
        """Tell whether the data set lies in this very folder."""

    @classmethod
    @abstractmethod
    def files(cls, home: Path, split: str) -> Files:
        """List (name, image, mask) of a split; empty where its list or folder is missing."""

    @abstractmethod
    def read_mask(self, path: Path) -> np.ndarray:
        """Read a mask and map it to the classes of the protocol, (H, W) int64."""

    def read_image(self, path: Path) -> np.ndarray:
        """Read a picture, (H, W, 3) uint8."""
        from acseg.images.read import read_image

        return read_image(path)

    @classmethod
    def splits(cls, home: Path) -> dict[str, int | None]:
        """Name the splits, with their official numbers of pictures."""
        return cls.counts

    @classmethod
    def find_home(cls, root: Path) -> Path | None:
        """Find the folder that holds the data set, at or below the root."""
        for below in cls.homes:
            if cls.is_home(root / below):
                return root / below
        return None

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        name, image, mask = self._files[index]
        return Sample(
            name, image, mask, lambda: self.read_image(image), lambda: self.read_mask(mask)
        )

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def places(self, most: int = 0) -> list[int]:
        """Indices of so many pictures, evenly spread from the first to the last; 0 for all."""
        count = min(most, len(self)) if most else len(self)
        return np.linspace(0, len(self) - 1, count).round().astype(int).tolist()

    def crop_rule(self, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cut a picture and its mask as the protocol does (see `research.datasets.crops`).

        Raises
        ------
        ImageError
            If the two are not of one size.
        """
        if image.shape[:2] != mask.shape:
            raise ImageError(
                f"picture is {image.shape[1]} x {image.shape[0]}, its mask "
                f"{mask.shape[1]} x {mask.shape[0]}; expected one size"
            )
        return crop(image, mask, self.crop)

    @classmethod
    def check(cls, root: str | Path) -> Check:
        """Say what of the data set is found and what is missing, without reading a picture."""
        home = cls.find_home(Path(root))
        rows = []
        for split, expected in cls.splits(home).items() if home else ():
            files = cls.files(home, split) if home else []
            lost = [str(path) for _, *paths in files for path in paths if not path.is_file()]
            images = sum(image.is_file() for _, image, _ in files)
            masks = sum(mask.is_file() for _, _, mask in files)
            rows.append(CheckRow(split, expected, len(files), images, masks, lost[:5]))
        return Check(
            name=cls.name,
            title=cls.title,
            root=str(root),
            home=None if home is None else str(home),
            layout=cls.layout,
            source=cls.source,
            rows=rows,
        )


@dataclass(frozen=True)
class CheckRow:
    """One split: official number, pictures listed, pictures and masks found, first lost files."""

    split: str
    expected: int | None
    listed: int
    images: int
    masks: int
    lost: list[str]

    @property
    def complete(self) -> bool:
        """Whether all that is listed is found, and as much as the official number."""
        found = self.images == self.masks == self.listed > 0
        return found and (self.expected is None or self.listed == self.expected)


@dataclass(frozen=True)
class Check:
    """What ``acseg data check`` found: where the data set lies, and a row for each split."""

    name: str
    title: str
    root: str
    home: str | None
    layout: str
    source: str
    rows: list[CheckRow]

    @property
    def complete(self) -> bool:
        """Whether every split is complete."""
        return bool(self.rows) and all(row.complete for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return asdict(self) | {"complete": self.complete}

    def table(self) -> str:
        """Return the findings as plain text."""
        head = [
            f"{self.title} ({self.name})",
            f"found in {self.home}" if self.home else f"not found at {self.root}",
        ]
        wide = max((len(row.split) for row in self.rows), default=0)
        body = []
        for row in self.rows:
            official = "" if row.expected is None else f", official {row.expected}"
            body.append(
                f"  {row.split.ljust(wide)}  {'complete  ' if row.complete else 'incomplete'}  "
                f"listed {row.listed}{official}, pictures {row.images}, masks {row.masks}"
            )
            body += [f"    missing: {path}" for path in row.lost]
        if not self.complete:
            body += [f"expected: {self.layout}", f"it comes from {self.source}"]
        return "\n".join(head + body)


def read_ids(path: Path) -> list[str]:
    """Read a list of names, one a line; what follows the first word is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def translate(values: np.ndarray, table: dict[int, int], *, void: int = VOID) -> np.ndarray:
    """Map the values of a mask file to classes, (H, W) int64; what is not in the table is void."""
    size = max(int(values.max(initial=0)), *table) + 1
    lookup = np.full(size, void, dtype=np.int64)
    lookup[list(table)] = list(table.values())
    return lookup[values]
