"""PASCAL VOC: SegmentationClass, ImageSets and labelmap.txt, as CVAT reads them."""

import io
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np
from PIL import Image

from acseg.errors import DataError
from acseg.export.format import Format, Options
from acseg.export.regions import find_regions
from acseg.export.source import Labelled, Legend, different_names
from acseg.export.target import copy_photograph, write_beside
from acseg.output.atomic import write_atomic
from acseg.output.label_png import encode_labels
from acseg.output.palette import VOID

BLACK = (0, 0, 0)
BORDER = (224, 224, 192)  # the colour of 255 in VOC


class Voc(Format):
    """PASCAL VOC segmentation, CVAT's "Segmentation mask 1.1".

    The index of a pixel is its label and line n of ``labelmap.txt`` (from 0) describes label n;
    void is 255 and called ``ignored``. The class that is called background is black. A name in
    ``ImageSets/Segmentation/default.txt`` is a whole line, spaces included.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"instances", "images"})

    def __init__(self, target: Path, legend: Legend, options: Options) -> None:
        super().__init__(target, legend, options)
        self._names = label_map_names(legend)
        self._colours = legend.colours.copy()
        for label, name in enumerate(self._names):
            if name.casefold() == "background":
                self._colours[label] = BLACK
        Legend(legend.kind, self._names, self._colours, legend.listed).check_colours(BORDER)
        self._ids: list[str] = []

    def add(self, picture: Labelled) -> None:
        """Write the class map and the map of regions of one picture."""
        found = find_regions(picture.labels, self.options.instances)
        if len(found.regions) > VOID - 1:
            raise DataError(
                f"{len(found.regions)} regions, and VOC has room for {VOID - 1}; "
                "leave out --instances components"
            )
        if self.options.images:
            name = picture.name + PurePosixPath(picture.path).suffix
            copy_photograph(picture.photograph, self.target / "JPEGImages" / name)
        classes = _png(picture.labels, self._colours)
        objects = _png(found.numbers, voc_colours(VOID))
        for folder, data in (("SegmentationClass", classes), ("SegmentationObject", objects)):
            write_beside(self.target / folder / f"{picture.name}.png", data, picture.photograph)
        self._ids.append(picture.name)

    def finish(self) -> None:
        """Write the list of pictures and the label map."""
        lines = "".join(f"{name}\n" for name in self._ids)
        write_atomic(self.target / "ImageSets" / "Segmentation" / "default.txt", lines)
        rows = [
            (self._names[label], self._colours[label].tolist())
            for label in range(max(self.seen, default=-1) + 1)
        ]
        text = "".join(
            f"{name}:{red},{green},{blue}::\n"
            for name, (red, green, blue) in [*rows, ("ignored", BORDER)]
        )
        write_atomic(self.target / "labelmap.txt", f"# label:color_rgb:parts:actions\n{text}")


def label_map_names(legend: Legend) -> list[str]:
    """Make names that a line of ``labelmap.txt`` can hold, all different."""
    plain = {i: name.replace(":", "_").replace("#", "_") for i, name in enumerate(legend.names)}
    taken = {i: f"{name}-{i}" if name == "ignored" else name for i, name in plain.items()}
    return different_names(taken, "class")


def voc_colours(n: int) -> np.ndarray:
    """Give VOC's own colours (n, 3) uint8: bit 3k of the number is bit 7-k of red, and so on."""
    numbers = np.arange(n)
    colours = np.zeros((n, 3), dtype=np.uint8)
    for place in range(8):
        for channel in range(3):
            bit = numbers >> (3 * place + channel) & 1
            colours[:, channel] |= (bit << (7 - place)).astype(np.uint8)
    return colours


def _png(labels: np.ndarray, colours: np.ndarray) -> bytes:
    """Encode an index PNG whose entry 255 has VOC's colour of borders."""
    with Image.open(io.BytesIO(encode_labels(labels, colours))) as picture:
        table = np.array(picture.getpalette(), dtype=np.uint8).reshape(-1, 3)
        table[VOID] = BORDER
        picture.putpalette(table.tobytes())
        stream = io.BytesIO()
        picture.save(stream, format="PNG", compress_level=6)
    return stream.getvalue()
