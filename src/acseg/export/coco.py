"""COCO instances: one JSON file with a mask for each region."""

import json
from pathlib import Path
from typing import Any, ClassVar

from acseg.export.format import Format, Options
from acseg.export.masks import need_pycocotools
from acseg.export.regions import RegionMap, find_regions
from acseg.export.source import Labelled, Legend
from acseg.export.target import copy_photograph
from acseg.output.atomic import AtomicFile


class Coco(Format):
    """COCO instances, as CVAT, FiftyOne and pycocotools read them.

    Into a folder: ``annotations/instances_default.json``, and ``images/`` with `images`. The id of
    a category is that of the class plus 1, for 0 means nothing in COCO. Concepts, whose ids mean
    something in one picture alone, are all of one category, and each annotation says which it is
    in ``attributes.concept``.
    """

    suffix: ClassVar[str | None] = ".json"
    reads: ClassVar[frozenset[str]] = frozenset({"instances", "polygons", "images"})

    def __init__(self, target: Path, legend: Legend, options: Options) -> None:
        super().__init__(target, legend, options)
        if not options.polygons:
            need_pycocotools()
        path = target / "annotations" / "instances_default.json"
        self._images: list[str] = []
        self._annotations = 0
        self._file = AtomicFile(target if self.is_file(target) else path)
        self._file.write('{"info": ' + json.dumps(INFO) + ', "licenses": [],\n"annotations": [')

    def add(self, picture: Labelled) -> None:
        """Write the annotations of one picture."""
        found = find_regions(picture.labels, self.options.instances)
        lines = [
            json.dumps({"id": self._annotations + n, "image_id": picture.number, **item})
            for n, item in enumerate(annotations(found, picture, self.legend, self.options), 1)
        ]
        if self.options.images:
            copy_photograph(picture.photograph, self.target / "images" / picture.path)
        for line in lines:
            self._file.write((",\n" if self._annotations else "\n") + line)
            self._annotations += 1
        self._images.append(json.dumps(image_entry(picture)))

    def finish(self) -> None:
        """Write the pictures and the categories."""
        images = ",\n".join(self._images)
        kinds = ",\n".join(json.dumps(c) for c in categories(self.legend, self.seen))
        self._file.write(f'\n],\n"images": [\n{images}\n],\n"categories": [\n{kinds}\n]}}\n')
        self._file.keep()

    def discard(self) -> None:
        """Remove the file if it is not whole."""
        self._file.discard()


INFO = {"description": "Unsupervised segmentation by acseg", "version": "1"}


def image_entry(picture: Labelled) -> dict[str, Any]:
    """Describe a picture; its size is that of the upright photograph."""
    height, width = picture.labels.shape
    return {"id": picture.number, "file_name": picture.path, "width": width, "height": height}


def categories(legend: Legend, seen: set[int]) -> list[dict[str, Any]]:
    """List the classes, or the one category of all concepts."""
    if legend.kind == "concepts":
        return [{"id": 1, "name": "concept", "supercategory": "concept"}]
    return [
        {
            "id": label + 1,
            "name": legend.names[label],
            "supercategory": "class",
            "color": legend.colours[label].tolist(),
        }
        for label in sorted(seen)
    ]


def category_id(label: int, legend: Legend) -> int:
    """Give the category of a label."""
    return 1 if legend.kind == "concepts" else label + 1


def attributes(label: int, legend: Legend) -> dict[str, Any]:
    """Say which concept it is; nothing of classes, which have categories."""
    return {"attributes": {"concept": label}} if legend.kind == "concepts" else {}


def annotations(
    found: RegionMap, picture: Labelled, legend: Legend, options: Options
) -> list[dict[str, Any]]:
    """Describe the regions of a picture; ids are given by the caller."""
    sure = {s.id: s.confidence for s in picture.record.segments}
    runs = {} if options.polygons else found.run_lengths()
    items = []
    for region in found.regions:
        item: dict[str, Any] = {
            "category_id": category_id(region.label, legend),
            "segmentation": runs.get(region.number) or found.polygons(region),
            "area": region.area,
            "bbox": list(region.box),
            "iscrowd": 0,
        }
        if sure.get(region.label) is not None:
            item["score"] = sure[region.label]
        items.append(item | attributes(region.label, legend))
    return items
