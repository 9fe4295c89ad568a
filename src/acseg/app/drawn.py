"""A dropped picture: read within the limits, drawn by a model, kept small, given out in full."""

import io
import json
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from acseg.app.limits import Budget, Limits
from acseg.classes.edits import Edits
from acseg.classes.ids import BACKGROUND, drawn_ids
from acseg.errors import ImageError
from acseg.images.bands import PLAIN, Reading
from acseg.images.read import read_image
from acseg.output.label_png import encode_labels
from acseg.output.overlay import encode_overlay
from acseg.output.records import Kind
from acseg.output.sampling import sample_labels
from acseg.report.describe import describe_segments
from acseg.report.thumbnails import encode_runs, jpeg_bytes

if TYPE_CHECKING:
    from acseg.model.pipeline import Concepts
    from acseg.model.segmentation import Segmentation

SMALL, LARGE = 448, 1600  # short side of what the grid shows, long side of the large picture
FILES = {
    "labels.png": "image/png",
    "overlay.jpg": "image/jpeg",
    "coco.json": "application/json",
}


@dataclass(frozen=True)
class Drawn:
    """What a model found in a picture.

    Attributes
    ----------
    kind : "concepts" or "classes"
    size : (int, int)
        Width and height of the upright picture.
    small, large : bytes
        The picture as JPEG.
    small_size : (int, int)
    map : bytes
        Index PNG at full size: leaves of concepts; classes before merges and drops.
    confidence : dict of label to float
    granularity : float
        At which the concepts were drawn.
    concepts : Concepts or None
        What the leaves are.
    """

    kind: Kind
    size: tuple[int, int]
    small: bytes
    large: bytes
    small_size: tuple[int, int]
    map: bytes
    confidence: dict[int, float]
    granularity: float = 0.5
    concepts: "Concepts | None" = None

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        scores = 0 if self.concepts is None else self.concepts.scores.nbytes
        return len(self.small) + len(self.large) + len(self.map) + scores

    @classmethod
    def of(cls, found: "Segmentation", granularity: float) -> "Drawn":
        """Keep what is needed of a segmentation."""
        picture = Image.fromarray(found.image)
        scale = min(1, SMALL / min(picture.size), 3 * SMALL / max(picture.size))
        small = picture.resize(
            (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))),
            Image.Resampling.LANCZOS,
            reducing_gap=3,
        )
        large = picture.copy()
        large.thumbnail((LARGE, LARGE), Image.Resampling.LANCZOS, reducing_gap=3)
        concepts = found.kind == "concepts"
        table = found.leaves if concepts else found.labels
        return cls(
            found.kind,
            picture.size,
            jpeg_bytes(small, 80),
            jpeg_bytes(large, 88),
            small.size,
            encode_labels(table),
            dict(found.confidence),
            granularity,
            found.concepts if concepts else None,
        )

    def full_map(self) -> np.ndarray:
        """Give the map at full size: (H, W) uint8."""
        with Image.open(io.BytesIO(self.map)) as picture:
            return np.asarray(picture)

    def segmentation(
        self, image: np.ndarray, edits: Edits | None, granularity: float | None
    ) -> "Segmentation":
        """Make what `acseg segment` or `predict` makes of the picture (H, W, 3)."""
        from acseg.model.segmentation import Segmentation

        table = self.full_map()
        if self.concepts is not None:
            g = self.granularity if granularity is None else granularity
            return Segmentation.of_leaves(self.concepts, table, image, granularity=g)
        becomes = edits.becomes if edits else {}
        names = edits.all_names if edits else {}
        labels = drawn_ids(becomes)[table]
        counts = np.bincount(table.ravel(), minlength=256)
        known: dict[int, list[tuple[float, int]]] = {}
        for c, sure in self.confidence.items():
            known.setdefault(becomes.get(c, c), []).append((sure, int(counts[c])))
        if edits and edits.background:
            known.pop(BACKGROUND, None)  # it has no centre that it could be near
        confidence = {
            c: round(sum(s * n for s, n in pairs) / max(1, sum(n for _, n in pairs)), 4)
            for c, pairs in known.items()
        }
        return Segmentation(labels, image, self.kind, confidence, names)

    def describe(self, edits: Edits | None) -> dict[str, Any]:
        """Say what was found, with small maps, as the page takes it."""
        width, height = self.size
        blank = np.broadcast_to(np.uint8(0), (height, width, 3))
        found = self.segmentation(blank, edits, None)
        entry: dict[str, Any] = {
            "size": self.size,
            "small": self.small_size,
            "missing": False,
            "found": describe_segments(found.segments, self.size),
            "labels": encode_runs(sample_labels(found.labels, self.small_size)),
        }
        if self.concepts is not None:
            entry["leaves"] = encode_runs(sample_labels(found.leaves, self.small_size))
            entry["tree"] = self.concepts.division.tree.to_dict()
            entry["there"] = np.unique(found.leaves).tolist()
            entry["given"] = self.granularity
        return entry


def read_dropped(
    name: str, data: bytes, limits: Limits, budget: Budget, *, reading: Reading = PLAIN
) -> np.ndarray:
    """Read what was dropped: (H, W, 3) uint8, upright.

    Raises
    ------
    ImageError
        With the name and what is wrong, if it is no picture, is broken, or is over a limit.
    """
    pixels = count_pixels(name, data, limits)
    with budget.hold(pixels):
        return read_image(data, name=name, reading=reading)


def count_pixels(name: str, data: bytes, limits: Limits) -> int:
    """Tell the pixels of a picture from its header, without decoding it.

    Raises
    ------
    ImageError
        If there are more than are allowed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as picture:
                width, height = picture.size
    except Exception:  # noqa: BLE001 - decoders raise nearly everything; `read_image` then says it
        return limits.pixels
    if width * height > limits.pixels:
        raise ImageError(
            f"{name}: {width} x {height} pixels, more than the {limits.pixels / 1e6:g} million "
            "allowed here; make it smaller, or use `acseg segment`"
        )
    return width * height


def file_of(found: "Segmentation", file: str, name: str) -> bytes:
    """Make a file of a picture: ``labels.png``, ``overlay.jpg`` or ``coco.json``."""
    if file == "labels.png":
        return encode_labels(found.labels, found.palette)
    if file == "overlay.jpg":
        return encode_overlay(found.overlay())
    from acseg.export.single import to_coco

    polygons = find_spec("pycocotools") is None
    coco = to_coco(found, file_name=name, image_id=1, polygons=polygons, instances="classes")
    return (json.dumps(coco, ensure_ascii=False) + "\n").encode("utf-8")
