"""A segmentation as a notebook shows it: the overlay and its legend."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from acseg.output.records import Kind, Segment

LONGEST = 960
"""Longest side in pixels of what is shown; larger overlays are made smaller."""

_CELL = "padding:2px 10px 2px 0;border:0;background:none;text-align:"
_SWATCH = (
    "display:inline-block;width:1em;height:1em;border-radius:2px;vertical-align:-2px;"
    "outline:1px solid rgba(128,128,128,.6);background:"
)


def legend_html(
    overlay: Image.Image,
    title: str,
    kind: Kind,
    segments: Sequence[Segment],
    palette: np.ndarray,
    void: float,
) -> str:
    """Write an overlay beside its legend: colour, name or id, share, confidence.

    It needs neither script nor network, and takes text colour and ground from the notebook.
    Names are escaped. `void` is the share of pixels without a label.
    """
    picture = base64.b64encode(encode_overlay(overlay, "JPEG")).decode("ascii")
    sure = any(segment.confidence is not None for segment in segments)
    titles = ("class" if kind == "classes" else "concept", "share", "confidence")[: 2 + sure]
    head = "".join(
        f'<th scope="col" style="{_CELL}{side}">{word}</th>'
        for word, side in zip(titles, ("left", "right", "right"))
    )
    rows = "".join(_row(segment, palette, sure) for segment in segments)
    note = f"<p>{_percent(void)} of the pixels are void.</p>" if void else ""
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start">'
        f'<img alt="{escape(title)}" src="data:image/jpeg;base64,{picture}" '
        'style="max-width:min(100%,480px);max-height:480px;margin:0">'
        f'<div><table style="border-collapse:collapse"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>{note}</div></div>"
    )


def _row(segment: Segment, palette: np.ndarray, with_confidence: bool) -> str:
    red, green, blue = palette[segment.id].tolist()
    name = f"{segment.id} {segment.name}" if segment.name else str(segment.id)
    swatch = f'<span style="{_SWATCH}rgb({red},{green},{blue})"></span>'
    cells = [(f"{swatch} {escape(name)}", "left"), (_percent(segment.area), "right")]
    if with_confidence:
        sure = "" if segment.confidence is None else f"{segment.confidence:.2f}"
        cells.append((sure, "right"))
    drawn = "".join(f'<td style="{_CELL}{side}">{text}</td>' for text, side in cells)
    return f'<tr style="background:none">{drawn}</tr>'


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "&lt; 0.1 %"


def encode_overlay(overlay: Image.Image, kind: str) -> bytes:
    """Encode an overlay, at most `LONGEST` pixels long."""
    overlay.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
    stream = io.BytesIO()
    overlay.save(stream, format=kind, quality=90)
    return stream.getvalue()
