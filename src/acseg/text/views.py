"""Views: the pictures of its regions by which a class is named.

They come from the exemplars that `predict` wrote into an output folder. A view is a square cut
around the region, with a little of what surrounds it, because a text-image model was trained on
whole scenes; what it sees is averaged inside the region.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from acseg.classes.edits import Edits
from acseg.errors import AcsegError, DataError
from acseg.images.bands import PLAIN, Reading
from acseg.images.read import read_image
from acseg.output import Output
from acseg.output.records import Box, Record

MARGIN = 0.1  # added on each side of a region, as a part of its longer side
SIDE = 384  # in pixels, at most, in which views are kept

Failed = list[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class View:
    """A region in its surroundings: picture (S, S, 3) uint8, and what of it is inside (S, S)."""

    picture: np.ndarray
    inside: np.ndarray

    def resized(self, side: int) -> "View":
        """Scale to `side` pixels square; the region keeps at least one of them."""
        picture = Image.fromarray(self.picture).resize((side, side), Image.Resampling.BICUBIC)
        mask = Image.fromarray(self.inside.astype(np.uint8) * 255)
        share = np.asarray(mask.resize((side, side), Image.Resampling.BOX))
        return View(np.asarray(picture), share >= min(128, max(1, int(share.max()))))


def cut_view(picture: np.ndarray, inside: np.ndarray, box: Box) -> View:
    """Cut a region out of a picture, as a square where the picture is large enough.

    Parameters
    ----------
    picture : (H, W, 3) uint8
    inside : (H, W) bool
        The region.
    box : (left, top, width, height)
        Of the region, in pixels.

    Returns
    -------
    View
        At most `SIDE` pixels square; a cut that cannot be square is stretched.
    """
    height, width = inside.shape
    length = round(max(box[2:]) * (1 + 2 * MARGIN))
    left, right = _span(box[0], box[2], length, width)
    top, bottom = _span(box[1], box[3], length, height)
    cut = View(picture[top:bottom, left:right], inside[top:bottom, left:right])
    return cut.resized(min(SIDE, max(bottom - top, right - left)))


def _span(first: int, size: int, length: int, limit: int) -> tuple[int, int]:
    """Widen a span around its middle to `length`, pushed back where it leaves 0..limit."""
    length = min(length, limit)
    start = min(max(0, first + (size - length) // 2), limit - length)
    return start, start + length


def views_from_output(
    out: Path, edits: Edits, *, reading: Reading = PLAIN
) -> tuple[dict[int, list[View]], Failed]:
    """Cut the exemplars that OUT/classes.json names out of their photographs.

    Parameters
    ----------
    out : Path
        What `predict` wrote for this model.
    edits : Edits
        An exemplar of a class that was merged since counts for the one that it has become.
    reading : Reading
        How the model reads photographs.

    Returns
    -------
    views : dict of class id to list of View
    failed : list of (path, reason)
        Photographs or label maps that are gone or cannot be read.

    Raises
    ------
    DataError
        If `out` is no output folder of `predict`, or of another model.
    """
    output = Output(out)
    output.require_classes(edits.count)
    records = {record.path: record for record in output.records() if record.status == "ok"}
    shown: dict[str, list[tuple[int, Box]]] = {}
    for item in output.classes():
        for exemplar in item.exemplars:
            if exemplar.path in records:
                shown.setdefault(exemplar.path, []).append((item.id, exemplar.box))
    views: dict[int, list[View]] = {}
    failed: Failed = []
    for path, regions in shown.items():
        try:
            picture, labels = _open(output, records[path], reading)
        except AcsegError as error:
            failed.append((path, str(error)))
            continue
        for c, box in regions:
            view = cut_view(picture, labels == c, box)
            views.setdefault(edits.becomes.get(c, c), []).append(view)
    return views, failed


def _open(output: Output, record: Record, reading: Reading) -> tuple[np.ndarray, np.ndarray]:
    photograph = output.photograph(record)
    if photograph is None:
        raise DataError("its photograph is not where its record says")
    picture, labels = read_image(photograph, reading=reading), output.labels(record)
    if picture.shape[:2] != labels.shape:
        raise DataError("the photograph has another size than its label map; predict again")
    return picture, labels
