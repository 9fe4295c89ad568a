"""Which pictures of a collection are large, and what is written of each."""

import io
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from acseg.images.tiles import is_tiled, picture_size
from acseg.images.walk import Source
from acseg.images.windows import open_windows
from acseg.output.atomic import write_atomic
from acseg.output.names import overlay_of
from acseg.output.overlay import overlay
from acseg.output.records import Kind, Record
from acseg.tiling.large import segment_large

if TYPE_CHECKING:
    from acseg.model import ACSeg

Progress = Callable[[str, int, int, str], None]


def large_sources(model: "ACSeg", sources: Sequence[Source]) -> list[int]:
    """Say which sources are read in tiles: their places, rising; none where nothing is tiled."""
    tile = model.settings.tile
    if tile is None:
        return []
    side = model.side
    return [i for i, s in enumerate(sources) if is_tiled(picture_size(s.path), tile, side)]


def write_large(
    model: "ACSeg",
    source: Source,
    name: str,
    out: Path,
    *,
    kind: Kind = "concepts",
    progress: Progress = lambda task, done, of, note: None,
) -> Record:
    """Segment or classify a large picture; write its label map, and a small overlay.

    Parameters
    ----------
    model : ACSeg
    source : Source
    name : str
        Of the label map below ``labels/``.
    out : Path
        Gets ``labels/NAME``, of the picture's size, and its overlay, at most 2,048 px long.
    kind : "concepts" or "classes"
    progress : callable
        Told (task, tiles done, of, note).

    Returns
    -------
    Record

    Raises
    ------
    ImageError
        If the picture cannot be read.
    OSError
        If the result cannot be written.
    """
    reading = model.settings.reading
    with closing(open_windows(source.path, reading=reading, name=source.relative)) as windows:
        drawn = segment_large(model, windows, out / "labels" / name, kind=kind, progress=progress)
    stream = io.BytesIO()
    overlay(drawn.image, drawn.labels).save(stream, format="JPEG", quality=90)
    write_atomic(out / overlay_of(name), stream.getvalue())
    where = os.path.relpath(source.path, out)
    return Record(
        source.relative, "ok", None, drawn.size, f"labels/{name}", where, kind, drawn.segments
    )
