"""A segmentation as a notebook shows it: the overlay and its legend."""

import base64
import io
from html import escape
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from acseg.output.records import Segment
    from acseg.segmentation import Segmentation

LONGEST = 960
"""Longest side in pixels of what is shown; larger overlays are made smaller."""

_CELL = "padding:2px 10px 2px 0;border:0;background:none;text-align:"
_SWATCH = (
    "display:inline-block;width:1em;height:1em;border-radius:2px;vertical-align:-2px;"
    "outline:1px solid rgba(128,128,128,.6);background:"
)


def notebook_png(found: "Segmentation") -> bytes:
    """Draw the overlay as PNG, at most `LONGEST` pixels long."""
    return _encoded(found, "PNG")


def notebook_html(found: "Segmentation") -> str:
    """Write the overlay beside its legend: colour, name or id, share, confidence.

    It needs neither script nor network, and takes text colour and ground from the notebook.
    Names are escaped.
    """
    picture = base64.b64encode(_encoded(found, "JPEG")).decode("ascii")
    head = "".join(
        f'<th scope="col" style="{_CELL}{side}">{title}</th>'
        for title, side in zip(_titles(found), ("left", "right", "right"))
    )
    rows = "".join(_row(found, segment) for segment in found.segments)
    void = (found.labels == 255).mean()
    note = f"<p>{_percent(void)} of the pixels are void.</p>" if void else ""
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start">'
        f'<img alt="{escape(repr(found))}" src="data:image/jpeg;base64,{picture}" '
        'style="max-width:min(100%,480px);max-height:480px;margin:0">'
        f'<div><table style="border-collapse:collapse"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{note}</div></div>"
    )


def _titles(found: "Segmentation") -> tuple[str, ...]:
    sure = any(segment.confidence is not None for segment in found.segments)
    kind = "class" if found.kind == "classes" else "concept"
    return (kind, "share", "confidence") if sure else (kind, "share")


def _row(found: "Segmentation", segment: "Segment") -> str:
    red, green, blue = found.palette[segment.id].tolist()
    name = f"{segment.id} {segment.name}" if segment.name else str(segment.id)
    sure = "" if segment.confidence is None else f"{segment.confidence:.2f}"
    swatch = f'<span style="{_SWATCH}rgb({red},{green},{blue})"></span>'
    cells = [(f"{swatch} {escape(name)}", "left"), (_percent(segment.area), "right")]
    if len(_titles(found)) == 3:
        cells.append((sure, "right"))
    drawn = "".join(f'<td style="{_CELL}{side}">{text}</td>' for text, side in cells)
    return f'<tr style="background:none">{drawn}</tr>'


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "&lt; 0.1 %"


def _encoded(found: "Segmentation", kind: str) -> bytes:
    drawn = found.overlay()
    drawn.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
    stream = io.BytesIO()
    drawn.save(stream, format=kind, quality=90)
    return stream.getvalue()
