"""The report: everything that was found, in one file that opens without server or network."""

import os
import secrets
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from acseg.errors import AcsegError
from acseg.output import Output
from acseg.output.atomic import atomic_file
from acseg.output.records import Record
from acseg.report.describe import describe_folder, describe_picture, hex_colours, maps, thumbnail
from acseg.report.legend import legend
from acseg.report.page import inside_script, static_page
from acseg.report.thumbnails import jpeg

_T = TypeVar("_T")

LIMIT = 5000
"""Pictures in one report; of more, every so many-th is shown."""

SIDES = ((48, 448), (500, 256), (LIMIT, 192))
"""Short side of the thumbnails, up to so many pictures."""

LEAF_BYTES = 4_000_000
"""Size in the report of all that the granularity slider needs; the first pictures have it."""

_THREADS = max(2, min(8, os.cpu_count() or 1))


def write_report(
    out: str | Path | Output,
    *,
    title: str = "What was found",
    limit: int = LIMIT,
    side: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write ``index.html`` of an output folder.

    Reads ``segments.jsonl``, ``classes.json`` where there is one, ``labels/``, the photographs
    and, where a photograph is no longer there, ``overlays/``. The file holds all it needs, some
    15 to 25 KB for a picture, 60 KB where they are few, and is the same whenever it is made of
    the same. Memory does not grow with the number of pictures.

    Parameters
    ----------
    out : str, Path or Output
        The output folder of `segment` or `predict`.
    title : str, default "What was found"
        Heading of the report.
    limit : int, default 5000
        Most pictures in the report, taken evenly from all; more make a file that is slow to open.
        The classes and their shares are always those of all pictures.
    side : int, optional
        Short side of the thumbnails in pixels; default 448 up to 48 pictures, 256 up to 500,
        else 192.
    progress : callable, optional
        Called with the number of pictures done and the number of all after each.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    DataError
        If ``segments.jsonl`` or ``classes.json`` is missing or broken.
    """
    output = out if isinstance(out, Output) else Output(out)
    folder = describe_folder(output)
    step = -(-folder["total"] // max(1, limit)) or 1
    shown = -(-folder["total"] // step)
    short = side or next((side for most, side in SIDES if shown <= most), SIDES[-1][1])
    highest, leaf_bytes = 0, 0

    def make(record: Record) -> dict[str, Any] | AcsegError:
        try:
            return _picture(record, output, short)
        except AcsegError as error:
            return error

    with tempfile.TemporaryFile(dir=output.folder) as spool:  # memory need not hold the pictures
        found = (record for record in output.records() if record.status == "ok")
        made = _ahead(make, islice(found, 0, None, step))
        for done, (record, picture) in enumerate(made, start=1):
            if isinstance(picture, AcsegError):
                reason = f"not shown here: {picture}"
                folder["failures"].append({"path": record.path, "reason": reason})
            else:
                if "tree" in picture:
                    leaf_bytes += len(picture["leaves"]) + len(str(picture["tree"]))
                    if leaf_bytes > LEAF_BYTES:
                        picture.pop("leaves")
                        picture.pop("tree")
                    else:
                        highest = max(highest, len(picture["tree"]["sizes"]))
                comma = "," if spool.tell() else ""
                spool.write((comma + inside_script(picture)).encode("ascii"))
            if progress is not None:
                progress(done, shown)
        folder["colours"] = hex_colours(max(len(folder["colours"]), highest))
        mark = secrets.token_hex(16)
        head, _, tail = static_page(title, mark).partition(mark)
        path = output.path("index.html")
        with atomic_file(path) as file:
            begin = inside_script({**folder, "classes": legend(output)}).removesuffix("}")
            file.write((head + begin + ',"pictures":[').encode("utf-8"))
            spool.seek(0)
            shutil.copyfileobj(spool, file)
            file.write(("]}" + tail).encode("utf-8"))
    return path


def _ahead(make: Callable[[Record], _T], records: Iterable[Record]) -> Iterator[tuple[Record, _T]]:
    """Make something of each record in threads, in order, a few ahead."""
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting: deque[tuple[Record, Future[_T]]] = deque()
        for record in records:
            waiting.append((record, pool.submit(make, record)))
            if len(waiting) > 4 * _THREADS:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def _picture(record: Record, output: Output, side: int) -> dict[str, Any]:
    """Gather what the page needs about one picture."""
    small = thumbnail(record, output, side)
    return {
        **describe_picture(record, output),
        "small": small.size,
        "photo": "data:image/jpeg;base64," + jpeg(small),
        **maps(record, output, small.size),
    }
