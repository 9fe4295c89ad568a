"""One segmentation, in memory, in the forms that other tools take."""

from typing import Any

import numpy as np

from acseg.errors import DataError
from acseg.export.coco import INFO, annotations, categories, image_entry
from acseg.export.format import Options
from acseg.export.masks import simplify
from acseg.export.regions import Instances, find_regions
from acseg.export.source import Labelled, Legend, different_names
from acseg.model.segmentation import Segmentation


def to_coco(
    found: Segmentation,
    *,
    file_name: str = "image",
    image_id: int = 1,
    polygons: bool = False,
    instances: Instances = "classes",
) -> dict[str, Any]:
    """Make COCO instances of a picture, ready for JSON and pycocotools.

    Parameters
    ----------
    found : Segmentation
    file_name : str, default "image"
    image_id : int, default 1
    polygons : bool, default False
        Exact outlines instead of run lengths.
    instances : "classes" or "components", default "classes"
        One annotation a label, or one for each part of it that hangs together.

    Returns
    -------
    dict
        With ``images``, ``annotations`` and ``categories``, as `acseg export --format coco` writes
        them: the category of class n is n + 1, and all concepts are of category 1.

    Raises
    ------
    DataError
        If pycocotools is missing.
    """
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


def to_polygons(found: Segmentation, *, tolerance: float = 0.0) -> dict[int, list[np.ndarray]]:
    """Draw the outlines of every label.

    Parameters
    ----------
    found : Segmentation
    tolerance : float, default 0
        Corners may be left out as long as no line moves farther than this, in pixels; 0 is exact,
        try 0.5 to 3.

    Returns
    -------
    dict of label to list of (n, 2) float64
        Corners x, y of closed lines without holes, along the edges of the pixels: the pixel at the
        upper left covers the square from 0, 0 to 1, 1.

    Raises
    ------
    DataError
        If `tolerance` is negative.
    """
    if not tolerance >= 0:
        raise DataError(f"tolerance must be 0 or more pixels, not {tolerance}")
    regions = find_regions(found.labels)
    drawn = {}
    for region in regions.regions:
        lines = [np.reshape(polygon, (-1, 2)) for polygon in regions.polygons(region)]
        drawn[region.label] = [simplify(line, tolerance) if tolerance else line for line in lines]
    return drawn


def to_supervision(found: Segmentation, *, instances: Instances = "classes") -> Any:
    """Make ``supervision.Detections`` of a picture, for its annotators and metrics.

    Parameters
    ----------
    found : Segmentation
    instances : "classes" or "components", default "classes"

    Returns
    -------
    supervision.Detections
        With masks, boxes (right and lower edge outside), ids in ``class_id``, names in
        ``data["class_name"]``; the confidence is NaN where there is none.

    Raises
    ------
    DataError
        If the package supervision is missing.
    """
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


def _legend(found: Segmentation) -> Legend:
    """Names and colours of the labels, as in an export of the collection."""
    given = {segment.id: segment.name for segment in found.segments}
    stem = "class" if found.kind == "classes" else "concept"
    return Legend(found.kind, different_names(given, stem), found.palette, frozenset(given))
