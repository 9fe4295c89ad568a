"""What the page is told of an output folder and of each of its pictures."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from acseg.errors import AcsegError
from acseg.output import Output
from acseg.output.label_png import read_labels_small
from acseg.output.names import leaves_of, overlay_of
from acseg.output.palette import VOID, palette
from acseg.output.records import Record, Segment
from acseg.report.thumbnails import encode_runs, photograph_thumbnail


def describe_folder(output: Output) -> dict[str, Any]:
    """Sum up a folder: kind, number of pictures, colours, failures."""
    tally = output.tally()
    return {
        "kind": tally.kind,
        "total": tally.pictures,
        "colours": hex_colours(max(tally.counts, default=0) + 1),
        "failures": [{"path": path, "reason": reason} for path, reason in tally.failed],
    }


def describe_picture(record: Record, output: Output) -> dict[str, Any]:
    """Say what was found in a picture; its thumbnail and its label map are not read."""
    drawn = output.overlay(record)
    return {
        "path": record.path,
        "size": record.size,
        "missing": output.photograph(record) is None,
        "overlay": None if drawn is None else quote(overlay_of(output.place(record))),
        "found": describe_segments(record.segments, record.size),
        **({} if record.pixel_area is None else {"pixel_area": record.pixel_area}),
    }


def describe_segments(
    segments: Iterable[Segment], size: tuple[int, int] | None
) -> list[dict[str, Any]]:
    """List what was found, with areas in pixels."""
    width, height = size or (0, 0)
    return [
        {
            "id": s.id,
            "pixels": round(s.area * width * height),
            "confidence": None if s.confidence is None else round(s.confidence, 4),
            "name": s.name,
        }
        for s in segments
    ]


def thumbnail(record: Record, output: Output, side: int) -> Image.Image:
    """Make the thumbnail of a picture; of its overlay, or grey, where the photograph is gone."""
    shown = output.photograph(record) or output.overlay(record)
    if shown is not None:
        return photograph_thumbnail(shown, side)
    width, height = record.size or (1, 1)
    scale = max(1, min(width, height) // side)  # the size is all that is known of it
    high, wide = (min(max(8, length // scale), 3 * side) for length in (height, width))
    return photograph_thumbnail(np.full((high, wide, 3), 128, dtype=np.uint8), side)


def maps(record: Record, output: Output, size: tuple[int, int]) -> dict[str, Any]:
    """Read the label map of a picture, and its leaves where they were kept, at a size.

    Returns
    -------
    dict
        ``labels``; ``leaves`` and ``tree`` where the picture can be divided anew; as
        `acseg.report.thumbnails.encode_runs` writes them.
    """
    found: dict[str, Any] = {"labels": encode_runs(output.labels_small(record, size))}
    leaves = _leaves(record, output, size)
    return found if leaves is None else {**found, **leaves}


def _leaves(record: Record, output: Output, size: tuple[int, int]) -> dict[str, Any] | None:
    if record.tree is None or record.kind != "concepts":
        return None
    try:
        path = output.path(leaves_of(output.place(record)))
        if not path.is_file():
            return None
        leaves = read_labels_small(path, size)
    except AcsegError:
        return None  # the label map is what counts
    sizes = record.tree.get("sizes")
    if not isinstance(sizes, list) or leaves[leaves != VOID].max(initial=0) >= len(sizes):
        return None
    return {"leaves": encode_runs(leaves), "tree": dict(record.tree)}


def hex_colours(n: int) -> list[str]:
    """Write the colours of labels 0..n-1 as #rrggbb."""
    return ["#" + bytes(colour).hex() for colour in palette(n).tolist()]
