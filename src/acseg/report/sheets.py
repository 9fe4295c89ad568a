"""Contact sheets of an output folder."""

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from acseg.errors import AcsegError, DataError
from acseg.images.read import read_image
from acseg.output import Output
from acseg.output.atomic import write_atomic
from acseg.output.records import Record
from acseg.report.sheet import contact_sheet

PER_SHEET = 60


def write_sheets(
    out: str | Path,
    *,
    columns: int = 3,
    side: int = 240,
    per_sheet: int = PER_SHEET,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[list[Path], list[tuple[str, str]]]:
    """Draw the photographs of an output folder beside their overlays, many to a page.

    Parameters
    ----------
    out : str or Path
        The output folder of `segment` or `predict`.
    columns, side : int
        Pairs in a row, 2 to 6; box of a picture in pixels, 120 to 480.
    per_sheet : int
        Pairs on one sheet; 12 to 120.
    progress : callable
        Called with the number of pictures done and the number of all.

    Returns
    -------
    sheets : list of Path
        ``sheets/1.jpg``, ``sheets/2.jpg`` and so on; more of an earlier call are deleted.
    failed : list of (path, reason)
        Pictures that are on no sheet: photograph or overlay are gone or cannot be read.

    Raises
    ------
    DataError
        If ``segments.jsonl`` is missing or broken, or no picture can be shown.
    """
    output = Output(out)
    records = [record for record in output.records() if record.status == "ok"]
    sheets: list[Path] = []
    failed: list[tuple[str, str]] = []
    pairs: list[tuple[Image.Image, Image.Image, str]] = []
    for done, record in enumerate(records, start=1):
        try:
            pairs.append(_pair(output, record, side))
        except AcsegError as error:
            failed.append((record.path, str(error)))
        if pairs and (len(pairs) == per_sheet or done == len(records)):
            stream = io.BytesIO()
            contact_sheet(pairs, columns=columns, side=side).save(stream, "JPEG", quality=90)
            path = output.path(f"sheets/{len(sheets) + 1}.jpg")
            sheets.append(write_atomic(path, stream.getvalue()))
            pairs = []
        progress(done, len(records))
    if not sheets:
        reason = f": {failed[0][0]}: {failed[0][1]}" if failed else ""
        raise DataError(f"{out} holds no picture to show{reason}")
    for number in range(len(sheets) + 1, 10_000):
        old = output.path(f"sheets/{number}.jpg")
        if not old.exists():
            break
        old.unlink()
    return sheets, failed


def _pair(output: Output, record: Record, side: int) -> tuple[Image.Image, Image.Image, str]:
    photo, drawn = output.photograph(record), output.overlay(record)
    if photo is None:
        raise DataError("its photograph is not where its record says")
    if drawn is None:
        raise DataError("it has no overlay")
    photograph = Image.fromarray(read_image(photo, short_side=2 * side))
    overlay = Image.fromarray(read_image(drawn, short_side=2 * side))
    photograph.thumbnail((2 * side, 2 * side))
    overlay.thumbnail((2 * side, 2 * side))
    return photograph, overlay, record.path
