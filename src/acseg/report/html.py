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
from acseg.images.colours import palette
from acseg.images.records import Record, iterate_records
from acseg.images.write import atomic_file, label_name, overlay_of, read_labels_small
from acseg.report.legend import RECORDS, legend, photograph_of, take_survey
from acseg.report.thumbnails import encode_runs, jpeg, photograph_thumbnail

_T = TypeVar("_T")

PAGE = 500
"""Pictures on one page of the report."""

LIMIT = 5000
"""Pictures in one report; of more, every so many-th is shown."""

_SIDES = (256, 192)  # short side of thumbnails, up to PAGE pictures and beyond
_THREADS = max(2, min(8, os.cpu_count() or 1))


def write_report(
    out: str | Path,
    *,
    title: str = "What was found",
    sources: Mapping[str, str | Path] | None = None,
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
    out : str or Path
        The output folder of `segment` or `predict`.
    title : str, default "What was found"
        Heading of the report.
    sources : mapping from relative name to path, optional
        Where the photographs lie. Without it, where ``segments.jsonl`` says.
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
    out = Path(out)
    survey = take_survey(out)
    classes = survey.kind == "classes"
    step = -(-survey.total // max(1, limit)) or 1
    shown = -(-survey.total // step)
    side = side or _SIDES[shown > PAGE]
    places = label_name(r.path for r in iterate_records(out / RECORDS)) if survey.unplaced else {}

    def make(record: Record) -> dict[str, Any] | AcsegError:
        labels = record.place(places)
        try:
            return _picture(record, out, labels, photograph_of(record, out, sources or {}), side)
        except AcsegError as error:
            return error

    with tempfile.TemporaryFile(dir=out) as spool:  # the pictures, which memory need not hold
        made = _ahead(make, islice(_found(out), 0, None, step))
        for done, (record, picture) in enumerate(made, start=1):
            if isinstance(picture, AcsegError):
                survey.failures.append((record.path, f"not shown here: {picture}"))
            else:
                comma = "," if spool.tell() else ""
                spool.write((comma + _inside_script(picture)).encode("ascii"))
            if progress is not None:
                progress(done, shown)
        data = {
            "kind": survey.kind,
            "page": max(1, page),
            "total": survey.total,
            "colours": ["#" + bytes(c).hex() for c in palette(survey.highest + 1).tolist()],
            "classes": legend(survey, out, sources or {}) if classes else [],
        }
        head, tail = _fill(title, survey.failures)
        with atomic_file(out / "index.html") as file:
            begin = _inside_script(data).removesuffix("}") + ',"pictures":['
            file.write((head + begin).encode("utf-8"))
            spool.seek(0)
            shutil.copyfileobj(spool, file)
            file.write(("]}" + tail).encode("utf-8"))
    return out / "index.html"


def _found(out: Path) -> Iterator[Record]:
    return (record for record in iterate_records(out / RECORDS) if record.status == "ok")


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


def _picture(
    record: Record, out: Path, labels: str, photograph: Path | None, side: int
) -> dict[str, Any]:
    """Gather what the page needs about one picture."""
    drawn = overlay_of(labels)
    has_overlay = (out / drawn).is_file()
    if photograph is None and has_overlay:
        thumbnail = photograph_thumbnail(out / drawn, side)
    elif photograph is None:
        width, height = record.size or (1, 1)
        scale = max(1, min(width, height) // side)  # the size is all that is known of it
        high, wide = (min(max(8, length // scale), 3 * side) for length in (height, width))
        grey = np.full((high, wide, 3), 128, dtype=np.uint8)
        thumbnail = photograph_thumbnail(grey, side)
    else:
        thumbnail = photograph_thumbnail(photograph, side)
    return {
        "path": record.path,
        "size": record.size,
        "small": thumbnail.size,
        "photo": jpeg(thumbnail),
        "missing": photograph is None,
        "labels": encode_runs(read_labels_small(out / labels, thumbnail.size)),
        "overlay": quote(drawn) if has_overlay else None,
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
