"""The classes as the page shows them: names, shares, and what they look like."""

from typing import Any

import numpy as np
from PIL import Image

from acseg.errors import AcsegError
from acseg.images.read import read_image
from acseg.output import Output
from acseg.output.overlay import borders
from acseg.output.records import Box, ClassRecord, Record
from acseg.output.tally import EXEMPLARS, Count
from acseg.report.thumbnails import jpeg

SIDE = 120  # px of a crop
_READ = 480  # short side at which the photograph is read
_MARGIN = 1.25  # of the box of the region
_DIM = 0.4  # of the light of what is not of the region


def legend(output: Output) -> list[dict[str, Any]]:
    """Describe each class; none of concepts, whose ids mean something in one picture alone."""
    classes, counts = output.classes(), output.tally().counts
    wanted = {e.path for item in classes for e in item.exemplars[:EXEMPLARS]}
    shown = {r.path: r for r in output.records() if r.path in wanted} if wanted else {}
    return [
        {
            "id": item.id,
            "name": item.name,
            "colour": "#" + bytes(item.colour).hex(),
            "share": round(item.share, 4),
            "confidence": item.confidence,
            "pictures": counts.get(item.id, Count()).pictures,
            "exemplars": _exemplars(item, output, shown),
        }
        for item in classes
    ]


def _exemplars(item: ClassRecord, output: Output, shown: dict[str, Record]) -> list[dict[str, str]]:
    crops = []
    for exemplar in item.exemplars[:EXEMPLARS]:
        record = shown.get(exemplar.path)
        if record is None:
            continue
        try:
            cut = exemplar_crop(output, record, item, exemplar.box)
        except AcsegError:
            continue  # the same photograph is named among those not shown
        if cut is not None:
            crops.append({"path": exemplar.path, "crop": "data:image/jpeg;base64," + jpeg(cut)})
    return crops


def exemplar_crop(
    output: Output, record: Record, item: ClassRecord, box: Box
) -> Image.Image | None:
    """Cut a region out of its photograph, outlined in the colour of its class, the rest dimmed.

    Returns
    -------
    PIL image of `SIDE` x `SIDE`, or None where the photograph is gone

    Raises
    ------
    AcsegError
        If the photograph or the label map cannot be read.
    """
    path = output.photograph(record)
    if path is None or record.size is None:
        return None
    photo = Image.fromarray(read_image(path, short_side=_READ))
    labels = output.labels_small(record, photo.size)
    window = _window(labels == item.id, box, photo.width / record.size[0])
    small = photo.crop(window).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    own = Image.fromarray(labels == item.id).crop(window).resize((SIDE, SIDE))
    region = np.asarray(own, dtype=bool)  # (SIDE, SIDE)
    pixels = np.array(small, dtype=np.float32)  # (SIDE, SIDE, 3)
    pixels[~region] *= _DIM
    edge = borders(region.astype(np.uint8), 2)
    pixels[edge & ~region] = item.colour
    pixels[edge & region] = 255
    return Image.fromarray(pixels.astype(np.uint8))


def _window(region: np.ndarray, box: Box, scale: float) -> tuple[int, int, int, int]:
    """Choose a square of the picture around the middle of a region: left, top, right, bottom."""
    height, width = region.shape
    side = max(box[2], box[3]) * scale * _MARGIN
    side = max(16, min(round(side), height, width))
    rows, columns = np.nonzero(region)
    across = float(np.median(columns)) if len(columns) else (box[0] + box[2] / 2) * scale
    down = float(np.median(rows)) if len(rows) else (box[1] + box[3] / 2) * scale
    left = min(max(0, round(across - side / 2)), width - min(side, width))
    top = min(max(0, round(down - side / 2)), height - min(side, height))
    return left, top, left + side, top + side
