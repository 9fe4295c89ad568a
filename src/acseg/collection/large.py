"""Which pictures of a collection are large, and what is written of each."""

import io
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from acseg.images.open_windows import open_windows
from acseg.images.tiles import is_tiled, picture_size
from acseg.images.walk import Source
from acseg.model import ACSeg
from acseg.model.large import segment_large
from acseg.output.atomic import write_atomic
from acseg.output.names import overlay_of
from acseg.output.overlay import overlay
from acseg.output.records import Kind, Record

Progress = Callable[[str, int, int, str], None]


def large_sources(model: ACSeg, sources: Sequence[Source]) -> list[int]:
    """Say which sources are read in tiles: their places, rising; none where nothing is tiled."""
    how = model.settings.encoding
    tile, side = how.tile, how.side
    if tile is None:
        return []
    return [i for i, s in enumerate(sources) if is_tiled(picture_size(s.path), tile, side)]


def write_large(
    model: ACSeg,
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
    reading = model.settings.encoding.reading
    classes: dict[str, Any] = {}
    if kind == "classes":
        background = model.foreground_ != "none"
        classes = {"classify": model.classify, "background": background, "names": model.names_}
    with closing(open_windows(source.path, reading=reading, name=source.relative)) as windows:
        path = out / "labels" / name
        drawn = segment_large(model.pipeline, windows, path, progress=progress, **classes)
    stream = io.BytesIO()
    overlay(drawn.image, drawn.labels).save(stream, format="JPEG", quality=90)
    write_atomic(out / overlay_of(name), stream.getvalue())
    where = os.path.relpath(source.path, out)
    return Record(
        source.relative,
        size=drawn.size,
        labels=f"labels/{name}",
        source=where,
        kind=kind,
        segments=drawn.segments,
        tree=drawn.tree,
    )
