"""Any labelled folder: pictures and masks with the same names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from acseg.errors import DataError, ImageError
from acseg.images.walk import find_images
from acseg.output.label_png import read_labels
from research.datasets.base import DataSet, Files

PARTS = {"all": slice(None), "odd": slice(0, None, 2), "even": slice(1, None, 2)}
"""Splits that need no file; the first picture is odd."""


class Folder(DataSet):
    """Pictures in ``images/``, index PNGs in ``masks/``, sub-folders kept, 255 = void.

    Two files are optional. ``splits.json`` names splits, ``{"val": ["stem", ...]}``, besides those
    that every folder has: "all", and its "odd" and "even" pictures in the order of their names, to
    fit on the one half and score on the other. ``meta.json`` gives the names of the classes,
    ``{"classes": [...]}``; without it they are numbered, up to the largest value in the masks. It
    may hold splits as well, ``{"splits": {"val": [...]}}``.
    """

    name = "folder"
    title = "labelled folder"
    source = "you: pictures and masks with the same names"
    layout = "images/ and masks/ with the same stems; masks are index PNGs, 255 = void"
    counts: ClassVar[dict[str, int | None]] = {"all": None}
    default_split = "val"

    def __init__(self, root: str | Path, split: str | None = None, *, crop: str | None = None):
        super().__init__(root, split, crop=crop)
        names = _json(self.home / "meta.json").get("classes") or self._numbers()
        self.classes = tuple(names)

    def _numbers(self) -> list[str]:
        """Class ids as names, up to the largest in the masks that can be read."""
        highest = -1
        for _, _, path in self.files(self.home, "all"):
            try:
                mask = self.read_mask(path)
            except ImageError:
                continue  # named when it is scored
            highest = max(highest, int(mask[mask != self.void].max(initial=-1)))
        return [str(index) for index in range(highest + 1)]

    @classmethod
    def is_home(cls, folder: Path) -> bool:
        """Tell whether the two folders are here."""
        return (folder / "images").is_dir() and (folder / "masks").is_dir()

    @classmethod
    def splits(cls, home: Path) -> dict[str, int | None]:
        """Name the splits of splits.json, with the number of names in each, and the others."""
        listed = _splits(home)
        return dict.fromkeys(PARTS, None) | {name: len(stems) for name, stems in listed.items()}

    @classmethod
    def files(cls, home: Path, split: str) -> Files:
        """List the pictures of the split, or all that have a mask."""
        sources, _ = find_images([home / "images"])
        images = {Path(item.relative).with_suffix("").as_posix(): item.path for item in sources}
        masks = {
            path.relative_to(home / "masks").with_suffix("").as_posix(): path
            for path in sorted((home / "masks").rglob("*.png"))
        }
        labelled = sorted(images.keys() & masks.keys())
        stems = _splits(home).get(split, labelled[PARTS.get(split, slice(None))])
        return [
            (
                stem,
                images.get(stem, home / "images" / f"{stem}.jpg"),
                masks.get(stem, home / "masks" / f"{stem}.png"),
            )
            for stem in stems
        ]

    def read_mask(self, path: Path) -> np.ndarray:
        """Read the mask as it is."""
        return read_labels(path).astype(np.int64)


def _splits(home: Path) -> dict[str, list[str]]:
    """The splits that a folder names itself."""
    described = _json(home / "meta.json").get("splits")
    splits = _json(home / "splits.json")
    return splits if not isinstance(described, dict) else described | splits


def _json(path: Path) -> dict[str, Any]:
    """The content of a small JSON file; empty where there is none."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds a {type(content).__name__}; expected an object")
    return content
