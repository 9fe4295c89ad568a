"""The report: everything that was found, in one file that opens without server or network."""

import html
import json
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import numpy as np

from acseg.errors import AcsegError
from acseg.images.colours import palette
from acseg.images.records import ClassRecord, Kind, Record, read_classes, read_records
from acseg.images.write import label_name, overlay_name, read_labels, write_atomic
from acseg.report.thumbnails import crop, encode_runs, jpeg, photograph_thumbnail, shrink_labels

PAGE = 500
"""Pictures on one page of the report."""

LIMIT = 5000
"""Pictures in one report; of more, every so many-th is shown."""

_EXEMPLARS = 6  # crops shown for a class
_EXEMPLAR_SIDE = 72
_SIDES = (256, 192)  # short side of thumbnails, up to PAGE pictures and beyond


def write_report(
    out: str | Path,
    *,
    title: str = "What was found",
    sources: Mapping[str, Path] | None = None,
    page: int = PAGE,
    limit: int = LIMIT,
    side: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write ``index.html`` of an output folder.

    Reads ``segments.jsonl``, ``classes.json`` where there is one, ``labels/``, the photographs
    and, where a photograph is no longer there, ``overlays/``. The file holds all it needs, some
    15 to 25 KB for a picture, and is the same whenever it is made of the same.

    Parameters
    ----------
    out : str or Path
        The output folder of `segment` or `predict`.
    title : str, default "What was found"
        Heading of the report.
    sources : mapping from relative name to Path, optional
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
    records = read_records(out / "segments.jsonl")
    found = [record for record in records if record.status == "ok"]
    kind: Kind = "classes" if any(record.kind == "classes" for record in found) else "concepts"
    given = _given_classes(out) if kind == "classes" else []
    shown = found[:: -(-len(found) // max(1, limit)) or 1]
    side = side or _SIDES[len(shown) > PAGE]
    places = label_name(record.path for record in records)
    photographs = {record.path: _photograph(record, out, sources or {}) for record in found}

    pictures: list[dict[str, Any]] = []
    failures = [(r.path, r.error or "no reason given") for r in records if r.status != "ok"]
    for done, record in enumerate(shown, start=1):
        labels = record.labels or f"labels/{places[record.path]}"
        try:
            pictures.append(_picture(record, out, labels, photographs[record.path], side))
        except AcsegError as error:
            failures.append((record.path, f"not shown here: {error}"))
        if progress is not None:
            progress(done, len(shown))

    highest = max((s.id for record in found for s in record.segments), default=0)
    data = {
        "kind": kind,
        "page": max(1, page),
        "total": len(found),
        "colours": ["#" + bytes(c).hex() for c in palette(highest + 1).tolist()],
        "classes": _legend(found, given, photographs) if kind == "classes" else [],
        "pictures": pictures,
    }
    return write_atomic(out / "index.html", _fill(title, data, failures))


def _given_classes(out: Path) -> list[ClassRecord]:
    path = out / "classes.json"
    return read_classes(path) if path.exists() else []


def _photograph(record: Record, out: Path, sources: Mapping[str, Path]) -> Path | None:
    if record.path in sources:
        return Path(sources[record.path])
    path = out / record.source if record.source else None
    return path if path is not None and path.is_file() else None


def _picture(
    record: Record, out: Path, labels: str, photograph: Path | None, side: int
) -> dict[str, Any]:
    """Gather what the page needs about one picture."""
    indices = read_labels(out / labels).astype(np.uint8)
    drawn = overlay_name(f"overlays/{labels.removeprefix('labels/')}")
    has_overlay = (out / drawn).is_file()
    if photograph is None and has_overlay:
        thumbnail = photograph_thumbnail(out / drawn, side)
    elif photograph is None:
        grey = np.full((*indices.shape, 3), 128, dtype=np.uint8)
        thumbnail = photograph_thumbnail(grey, side)
    else:
        thumbnail = photograph_thumbnail(photograph, side)
    return {
        "path": record.path,
        "size": record.size,
        "small": thumbnail.size,
        "photo": jpeg(thumbnail),
        "missing": photograph is None,
        "labels": encode_runs(shrink_labels(indices, thumbnail.size)),
        "overlay": quote(drawn) if has_overlay else None,
        "found": [
            {"id": s.id, "area": round(s.area, 4), "confidence": s.confidence, "name": s.name}
            for s in record.segments
        ],
    }


def _legend(
    found: Sequence[Record], given: Sequence[ClassRecord], photographs: Mapping[str, Path | None]
) -> list[dict[str, Any]]:
    """Describe each class; those that ``classes.json`` lacks are measured from the records."""
    classes = {item.id: item for item in given}
    sizes = {record.path: record.size for record in found if record.size}
    pixels = sum(width * height for width, height in sizes.values()) or 1
    for item in sorted({s.id for record in found for s in record.segments} - set(classes)):
        parts = [
            (s, s.area * sizes[record.path][0] * sizes[record.path][1])
            for record in found
            for s in record.segments
            if s.id == item
        ]
        sure = [(s.confidence, weight) for s, weight in parts if s.confidence is not None]
        total = sum(weight for _, weight in sure)
        red, green, blue = palette(item + 1)[item].tolist()
        classes[item] = ClassRecord(
            id=item,
            name=next((s.name for s, _ in parts if s.name), None),
            colour=(red, green, blue),
            share=sum(weight for _, weight in parts) / pixels,
            confidence=sum(c * weight for c, weight in sure) / total if total else None,
        )
    return [
        {
            "id": item.id,
            "name": item.name,
            "colour": "#" + bytes(item.colour).hex(),
            "share": round(item.share, 4),
            "confidence": item.confidence,
            "pictures": sum(any(s.id == item.id for s in record.segments) for record in found),
            "exemplars": _exemplars(item, sizes, photographs),
        }
        for item in sorted(classes.values(), key=lambda item: item.id)
    ]


def _exemplars(
    item: ClassRecord, sizes: Mapping[str, tuple[int, int]], photographs: Mapping[str, Path | None]
) -> list[dict[str, str]]:
    crops = []
    for exemplar in item.exemplars[:_EXEMPLARS]:
        path = photographs.get(exemplar.path)
        if path is None:
            continue
        try:
            cut = crop(path, exemplar.box, sizes[exemplar.path], _EXEMPLAR_SIDE)
        except AcsegError:
            continue  # the same photograph is named among those not shown
        crops.append({"path": exemplar.path, "crop": jpeg(cut)})
    return crops


def _fill(title: str, data: Mapping[str, Any], failures: Sequence[tuple[str, str]]) -> str:
    folder = resources.files("acseg.report")
    rows = "".join(
        f"<tr><td>{html.escape(path)}</td><td>{html.escape(reason)}</td></tr>"
        for path, reason in failures
    )
    return Template((folder / "template.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        style=(folder / "report.css").read_text(encoding="utf-8"),
        script=(folder / "report.js").read_text(encoding="utf-8"),
        data=_inside_script(data),
        failed=len(failures),
        hidden="" if failures else "hidden",
        failures=rows,
    )


def _inside_script(data: Mapping[str, Any]) -> str:
    """Write JSON that no HTML parser takes for markup, and no script engine for a line break."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
