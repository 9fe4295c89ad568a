"""COCO panoptic: a PNG a picture whose colours are the numbers of its segments, and a JSON file."""

import io
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from acseg.export.coco import INFO, attributes, categories, category_id, image_entry
from acseg.export.format import Format, Options
from acseg.export.regions import RegionMap, find_regions
from acseg.export.source import Labelled, Legend
from acseg.export.target import copy_photograph, write_beside
from acseg.output.atomic import AtomicFile


class CocoPanoptic(Format):
    """COCO panoptic, as panopticapi, detectron2 and CVAT read it.

    Into a folder: ``annotations/panoptic_default.json`` with the PNGs in
    ``annotations/panoptic_default/``; into a file NAME.json: with the PNGs in NAME/. The number of
    a segment is red + 256 green + 65536 blue, and 0 is void.
    """

    suffix: ClassVar[str | None] = ".json"
    reads: ClassVar[frozenset[str]] = frozenset({"instances", "images"})

    def __init__(self, target: Path, legend: Legend, options: Options) -> None:
        super().__init__(target, legend, options)
        path = target / "annotations" / "panoptic_default.json"
        path = target if self.is_file(target) else path
        self._masks = path.with_suffix("")
        self._images: list[str] = []
        self._file = AtomicFile(path)
        self._file.write('{"info": ' + json.dumps(INFO) + ', "licenses": [],\n"annotations": [')

    @classmethod
    def places(cls, target: Path) -> list[tuple[Path, bool]]:
        """List the JSON file and the folder of its PNGs, or the folder of both."""
        if not cls.is_file(target):
            return [(target, True)]
        return [(target, False), (target.with_suffix(""), True)]

    def add(self, picture: Labelled) -> None:
        """Write the segments of one picture."""
        found = find_regions(picture.labels, self.options.instances)
        ids = self._ids(found)
        entry = {
            "image_id": picture.number,
            "file_name": f"{picture.name}.png",
            "segments_info": [
                {
                    "id": ids[region.number],
                    "category_id": category_id(region.label, self.legend),
                    "area": region.area,
                    "bbox": list(region.box),
                    "iscrowd": 0,
                    **attributes(region.label, self.legend),
                }
                for region in found.regions
            ],
        }
        if self.options.images:
            copy_photograph(picture.photograph, self.target / "images" / picture.path)
        numbers = np.array([0, *ids.values()], dtype=np.uint32)[found.numbers]  # (H, W)
        write_beside(self._masks / f"{picture.name}.png", encode_ids(numbers), picture.photograph)
        self._file.write((",\n" if self._images else "\n") + json.dumps(entry))
        self._images.append(json.dumps(image_entry(picture)))

    def finish(self) -> None:
        """Write the pictures and the categories."""
        thing = int(self.legend.kind == "concepts" or self.options.instances == "components")
        kinds: list[dict[str, Any]] = categories(self.legend, self.seen)
        lines = ",\n".join(json.dumps({**kind, "isthing": thing}) for kind in kinds)
        images = ",\n".join(self._images)
        self._file.write(f'\n],\n"images": [\n{images}\n],\n"categories": [\n{lines}\n]}}\n')
        self._file.keep()

    def discard(self) -> None:
        """Remove the JSON file if it is not whole."""
        self._file.discard()

    def _ids(self, found: RegionMap) -> dict[int, int]:
        """Number the segments: label + 1, or from 1 on where a label has several."""
        if self.options.instances == "components":
            return {region.number: region.number for region in found.regions}
        return {region.number: region.label + 1 for region in found.regions}


def encode_ids(numbers: np.ndarray) -> bytes:
    """Write numbers below 256 ** 3 (H, W) as the colours of a PNG."""
    colours = np.stack([numbers >> shift & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(colours).save(stream, format="PNG", compress_level=6)
    return stream.getvalue()
