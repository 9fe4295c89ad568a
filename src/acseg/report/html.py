"""The report: everything that was found, in one file that opens without server or network."""

import html
import json
import os
import secrets
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import resources
from itertools import islice
from pathlib import Path
from string import Template
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np

from acseg.errors import AcsegError
from acseg.output import Output
from acseg.output.atomic import atomic_file
from acseg.output.names import overlay_of
from acseg.output.palette import palette
from acseg.output.records import Record
from acseg.report.legend import legend
from acseg.report.thumbnails import encode_runs, jpeg, photograph_thumbnail

_T = TypeVar("_T")

PAGE = 500
"""Pictures on one page of the report."""

LIMIT = 5000
"""Pictures in one report; of more, every so many-th is shown."""

_SIDES = (256, 192)  # short side of thumbnails, up to PAGE pictures and beyond
_THREADS = max(2, min(8, os.cpu_count() or 1))


def write_report(
    out: str | Path | Output,
    *,
    title: str = "What was found",
    page: int = PAGE,
    limit: int = LIMIT,
    side: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write ``index.html`` of an output folder.

    Reads ``segments.jsonl``, ``classes.json`` where there is one, ``labels/``, the photographs
    and, where a photograph is no longer there, ``overlays/``. The file holds all it needs, some
    15 to 25 KB for a picture, and is the same whenever it is made of the same. Memory does not
    grow with the number of pictures.

    Parameters
    ----------
    out : str, Path or Output
        The output folder of `segment` or `predict`.
    title : str, default "What was found"
        Heading of the report.
    page : int, default 500
        Pictures on a page; 50 to 500.
    limit : int, default 5000
        Most pictures in the report, taken evenly from all; more make a file that is slow to open.
        The classes and their shares are always those of all pictures.
    side : int, optional
        Short side of the thumbnails in pixels; default 256 up to 500 pictures, else 192.
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
    tally = output.tally()
    step = -(-tally.pictures // max(1, limit)) or 1
    shown = -(-tally.pictures // step)
    side = side or _SIDES[shown > PAGE]
    failures = list(tally.failed)

    def make(record: Record) -> dict[str, Any] | AcsegError:
        try:
            return _picture(record, output, side)
        except AcsegError as error:
            return error

    with tempfile.TemporaryFile(dir=output.folder) as spool:  # memory need not hold the pictures
        found = (record for record in output.records() if record.status == "ok")
        made = _ahead(make, islice(found, 0, None, step))
        for done, (record, picture) in enumerate(made, start=1):
            if isinstance(picture, AcsegError):
                failures.append((record.path, f"not shown here: {picture}"))
            else:
                comma = "," if spool.tell() else ""
                spool.write((comma + _inside_script(picture)).encode("ascii"))
            if progress is not None:
                progress(done, shown)
        highest = max(tally.counts, default=0)
        data = {
            "kind": tally.kind,
            "page": max(1, page),
            "total": tally.pictures,
            "colours": ["#" + bytes(c).hex() for c in palette(highest + 1).tolist()],
            "classes": legend(output),
        }
        head, tail = _fill(title, failures)
        path = output.path("index.html")
        with atomic_file(path) as file:
            begin = _inside_script(data).removesuffix("}") + ',"pictures":['
            file.write((head + begin).encode("utf-8"))
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
    photograph, drawn = output.photograph(record), output.overlay(record)
    shown = photograph or drawn
    if shown is not None:
        thumbnail = photograph_thumbnail(shown, side)
    else:
        width, height = record.size or (1, 1)
        scale = max(1, min(width, height) // side)  # the size is all that is known of it
        high, wide = (min(max(8, length // scale), 3 * side) for length in (height, width))
        grey = np.full((high, wide, 3), 128, dtype=np.uint8)
        thumbnail = photograph_thumbnail(grey, side)
    return {
        "path": record.path,
        "size": record.size,
        "small": thumbnail.size,
        "photo": jpeg(thumbnail),
        "missing": photograph is None,
        "labels": encode_runs(output.labels_small(record, thumbnail.size)),
        "overlay": None if drawn is None else quote(overlay_of(output.place(record))),
        "found": [
            {"id": s.id, "area": round(s.area, 4), "confidence": s.confidence, "name": s.name}
            for s in record.segments
        ],
    }


def _fill(title: str, failures: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Give the page before its data and after."""
    folder = resources.files("acseg.report")
    rows = "".join(
        f"<tr><td>{html.escape(path)}</td><td>{html.escape(reason)}</td></tr>"
        for path, reason in failures
    )
    mark = secrets.token_hex(16)
    page = Template((folder / "template.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        style=(folder / "report.css").read_text(encoding="utf-8"),
        script=(folder / "report.js").read_text(encoding="utf-8"),
        data=mark,
        failed=len(failures),
        hidden="" if failures else "hidden",
        failures=rows,
    )
    head, _, tail = page.partition(mark)
    return head, tail


def _inside_script(data: Mapping[str, Any]) -> str:
    """Write JSON that no HTML parser takes for markup, and no script engine for a line break."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
