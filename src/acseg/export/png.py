"""Label maps as plain PNGs: grey, where a pixel's value is its label, or in colour."""

import io
from abc import abstractmethod
from pathlib import Path

import numpy as np
from PIL import Image

from acseg.export.format import Format, Options
from acseg.export.source import Labelled, Legend
from acseg.export.target import write_beside
from acseg.output.records import ClassRecord, write_classes


class _LabelPng(Format):
    """One PNG a picture; ``classes.json`` says what is what."""

    def add(self, picture: Labelled) -> None:
        """Write one picture."""
        stream = io.BytesIO()
        drawn = Image.fromarray(self.draw(picture.labels))
        drawn.save(stream, format="PNG", compress_level=6)
        path = self.target / f"{picture.name}.png"
        write_beside(path, stream.getvalue(), picture.photograph)

    def finish(self) -> None:
        """Write the names and colours."""
        write_legend(self.target / "classes.json", self.legend, self.seen)

    @abstractmethod
    def draw(self, labels: np.ndarray) -> np.ndarray:
        """Turn labels (H, W) into (H, W) or (H, W, 3) uint8."""


class Index(_LabelPng):
    """Grey PNGs: the value of a pixel is its label, 255 is void, whatever program reads it."""

    def draw(self, labels: np.ndarray) -> np.ndarray:
        """Leave the labels as they are."""
        return labels


class Colour(_LabelPng):
    """RGB PNGs in the colours of the classes; void is black."""

    def __init__(self, target: Path, legend: Legend, options: Options) -> None:
        super().__init__(target, legend, options)
        legend.check_colours((0, 0, 0))
        self._table = np.concatenate([legend.colours, np.zeros((1, 3), np.uint8)])

    def draw(self, labels: np.ndarray) -> np.ndarray:
        """Look the colours up."""
        return self._table[labels]


def write_legend(path: Path, legend: Legend, labels: set[int]) -> None:
    """Write names and colours of labels in the form of ``classes.json``."""
    write_classes(
        path,
        [
            ClassRecord(label, legend.names[label], (red, green, blue))
            for label in sorted(labels)
            for red, green, blue in [legend.colours[label].tolist()]
        ],
    )
