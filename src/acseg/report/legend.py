"""The classes as the report shows them: names, shares, and what they look like."""

from typing import Any

from acseg.errors import AcsegError
from acseg.output import Output
from acseg.output.records import ClassRecord, Record
from acseg.output.tally import EXEMPLARS, Count
from acseg.report.thumbnails import crop, jpeg

_SIDE = 72  # of a crop


def legend(output: Output) -> list[dict[str, Any]]:
    """Describe each class; none of concepts, whose ids mean something in one picture alone."""
    classes, counts = output.classes(), output.tally().counts
    wanted = {e.path for item in classes for e in item.exemplars[:EXEMPLARS]}
    shown = {r.path: r for r in output.records() if r.path in wanted} if wanted else {}
    return [
        {
            "id": item.id,
            "name": item.name,
            "colour": "#" + bytes(item.colour).hex(),
            "share": round(item.share, 4),
            "confidence": item.confidence,
            "pictures": counts.get(item.id, Count()).pictures,
            "exemplars": _exemplars(item, output, shown),
        }
        for item in classes
    ]


def _exemplars(item: ClassRecord, output: Output, shown: dict[str, Record]) -> list[dict[str, str]]:
    crops = []
    for exemplar in item.exemplars[:EXEMPLARS]:
        record = shown.get(exemplar.path)
        path = None if record is None else output.photograph(record)
        if record is None or record.size is None or path is None:
            continue
        try:
            cut = crop(path, exemplar.box, record.size, _SIDE)
        except AcsegError:
            continue  # the same photograph is named among those not shown
        crops.append({"path": exemplar.path, "crop": jpeg(cut)})
    return crops
