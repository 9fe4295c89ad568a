"""Pictures in a terminal: every character is two pixels, an upper half block on its ground."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.segment import Segment as Piece
from rich.segment import Segments
from rich.style import Style
from rich.text import Text

from acseg.errors import AcsegError, DataError
from acseg.images.read import read_image
from acseg.output import Output
from acseg.output.palette import colour
from acseg.output.records import Record

WIDTH = 80  # characters, at most
MARGIN = 6  # lines of the terminal that a picture leaves free


def half_blocks(picture: np.ndarray | Image.Image, columns: int, lines: int) -> Segments:
    """Draw a picture in characters, as large as fits; a character is taken as twice as high.

    Parameters
    ----------
    picture : (H, W, 3) uint8, or PIL image
    columns, lines : int
        Most characters across and down.

    Returns
    -------
    rich Segments
        Prints in as many colours as the terminal has.
    """
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture.convert("RGB")
    scale = min(columns / image.width, 2 * lines / image.height)
    width, height = max(1, round(image.width * scale)), max(1, round(image.height * scale / 2))
    small = np.asarray(image.resize((width, 2 * height), Image.Resampling.BOX))
    pieces = []
    for upper, lower in zip(small[::2].tolist(), small[1::2].tolist(), strict=True):
        for above, below in zip(upper, lower, strict=True):
            pieces.append(Piece("▀", Style(color=Color.from_rgb(*above), bgcolor=_rgb(below))))
        pieces.append(Piece.line())
    return Segments(pieces)


def _rgb(values: list[int]) -> Color:
    return Color.from_rgb(*values)


def show_output(
    out: str | Path, console: Console, *, limit: int = 4, width: int = WIDTH, picture: str = ""
) -> int:
    """Show overlays of an output folder, each with a legend; legends alone outside a terminal.

    Parameters
    ----------
    out : str or Path
        The output folder of `segment` or `predict`.
    console : rich Console
    limit : int
        Most pictures shown, taken evenly from all.
    width : int
        Most characters across; 40 to 200.
    picture : str
        Show only pictures whose name has this in it.

    Returns
    -------
    int
        Pictures that were to be shown and could not be.

    Raises
    ------
    DataError
        If ``segments.jsonl`` is missing or broken.
    """
    output = Output(out)
    found = (record for record in output.records() if record.status == "ok")
    records = [record for record in found if picture in record.path]
    names = {item.id: item.name for item in output.classes()}
    columns, lines = min(width, console.width), max(4, console.height - MARGIN)
    lost = 0
    for record in records[:: -(-len(records) // max(1, limit)) or 1]:
        console.print(Text(record.path, style="bold"))
        if console.is_terminal:
            try:
                drawn = output.overlay(record)
                if drawn is None:
                    raise DataError(f"{record.path}: it has no overlay")
                seen = read_image(drawn, short_side=2 * columns)
                console.print(half_blocks(seen, columns, lines))
            except AcsegError as error:
                lost += 1
                console.print(Text(str(error)))
        console.print(_legend(record, names))
    return lost


def _legend(record: Record, names: Mapping[int, str | None]) -> Text:
    """Name what was found, the largest first, each with a swatch of its colour."""
    text = Text("  ")
    for segment in sorted(record.segments, key=lambda s: (-s.area, s.id)):
        text.append("■ ", Style(color=Color.from_rgb(*colour(segment.id))))
        kind = "class" if record.kind == "classes" else "concept"
        name = segment.name or names.get(segment.id) or f"{kind} {segment.id}"
        text.append(f"{name} {segment.area:.0%}   ")
    text.rstrip()
    return text
