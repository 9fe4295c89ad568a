"""One segmentation, in memory, in the forms that other tools take."""

from typing import TYPE_CHECKING, Any

import numpy as np

from acseg.errors import DataError
from acseg.export.coco import INFO, annotations, categories, image_entry
from acseg.export.format import Options
from acseg.export.masks import simplify
from acseg.export.regions import Instances, find_regions
from acseg.export.source import Labelled, Legend, different_names

if TYPE_CHECKING:
    from acseg.segmentation import Segmentation


def to_coco(
    found: "Segmentation", *, file_name: str, image_id: int, polygons: bool, instances: Instances
) -> dict[str, Any]:
    """Make what `acseg export --format coco` writes of one picture; see `Segmentation.to_coco`."""
    record = found.record(file_name)
    picture = Labelled(image_id, file_name, file_name, found.labels, record, None)
    options = Options(instances=instances, polygons=polygons)
    seen = {segment.id for segment in found.segments}
    legend = _legend(found)
    regions = find_regions(found.labels, instances)
    items = annotations(regions, picture, legend, options)
    return {
        "info": INFO,
        "licenses": [],
        "images": [image_entry(picture)],
        "annotations": [
            {"id": n, "image_id": image_id, **item} for n, item in enumerate(items, start=1)
        ],
        "categories": categories(legend, seen),
    }


def to_polygons(found: "Segmentation", *, tolerance: float) -> dict[int, list[np.ndarray]]:
    """Draw the outlines of every label; see `Segmentation.polygons`."""
    if not tolerance >= 0:
        raise DataError(f"tolerance must be 0 or more pixels, not {tolerance}")
    regions = find_regions(found.labels)
    drawn = {}
    for region in regions.regions:
        lines = [np.reshape(polygon, (-1, 2)) for polygon in regions.polygons(region)]
        drawn[region.label] = [simplify(line, tolerance) if tolerance else line for line in lines]
    return drawn


def to_supervision(found: "Segmentation", *, instances: Instances) -> Any:
    """Make detections of supervision; see `Segmentation.to_supervision`."""
    try:
        import supervision
    except ImportError:
        raise DataError("detections need supervision; pip install supervision") from None
    regions = find_regions(found.labels, instances)
    labels = [region.label for region in regions.regions]
    boxes = np.array([region.box for region in regions.regions], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    sure = [found.confidence.get(label, np.nan) for label in labels]
    numbers = np.arange(1, len(labels) + 1)
    names = _legend(found).names
    return supervision.Detections(
        xyxy=boxes,
        mask=regions.numbers == numbers[:, None, None],
        confidence=np.array(sure, np.float32),
        class_id=np.array(labels, int),
        data={"class_name": np.array([names[label] for label in labels], dtype=str)},
    )


def _legend(found: "Segmentation") -> Legend:
    """Names and colours of the labels, as in an export of the collection."""
    given = {segment.id: segment.name for segment in found.segments}
    stem = "class" if found.kind == "classes" else "concept"
    return Legend(found.kind, different_names(given, stem), found.palette, frozenset(given))
