"""The pictures of the page as HTML: every name escaped, every image inside the text itself."""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from acseg.output.palette import VOID
from acseg.output.records import Segment
from acseg.segmentation import Segmentation

EMPTY = """<div class="acseg-empty"><p>No picture yet.</p>
<p>Drop a photograph, paste one, or take a sample: its concepts appear here.</p></div>"""


def picture_html(found: Segmentation, *, name: str, strength: float, links: str = "") -> str:
    """Show a picture with its labels laid over it, and its legend.

    Parameters
    ----------
    found : Segmentation
        At the size in which it is to be shown.
    name : str
        What the picture is called.
    strength : float
        Share of the colour, 0..1.
    links : str
        HTML between picture and legend.
    """
    drawn = found.overlay(strength=strength) if strength > 0 else Image.fromarray(found.image)
    return frame_html(
        drawn,
        found.labels,
        found.segments,
        colours=found.palette,
        kind=found.kind,
        name=name,
        links=links,
    )


def frame_html(
    drawn: Image.Image,
    labels: np.ndarray,
    segments: Sequence[Segment],
    *,
    colours: np.ndarray,
    kind: str,
    name: str,
    links: str = "",
) -> str:
    """Show what was drawn with the labels (H, W) under it, so that the mouse finds their names."""
    title = html.escape(name)
    said = ", ".join(f"{called(s, thing(kind))} {s.area:.0%}" for s in segments) or "all of it void"
    void = float((labels == VOID).mean()) if labels.size else 0.0
    caption = f"{title}: {counted(len(segments), kind)}" + (f", {void:.0%} void" if void else "")
    return f"""<figure class="acseg-view">
<div class="acseg-stage">
<img class="acseg-drawn" src="{_jpeg(drawn)}" width="{drawn.width}" height="{drawn.height}"
 alt="{title}; {html.escape(said)}">
<canvas class="acseg-lit" aria-hidden="true"></canvas>
<img class="acseg-labels" src="{_labels_png(labels)}" alt="" hidden>
<div class="acseg-tip" hidden></div>
</div>
<figcaption>{caption}</figcaption>
{links}
{legend_html(segments, colours, thing(kind))}
</figure>"""


def legend_html(segments: Sequence[Segment], colours: np.ndarray, what: str) -> str:
    """List the labels as buttons: colour, id, name, share, confidence."""
    items = []
    for segment in segments:
        red, green, blue = (int(v) for v in colours[segment.id])
        sure = "" if segment.confidence is None else f", sure {segment.confidence:.2f}"
        items.append(
            f'<li><button type="button" class="acseg-label" data-label="{segment.id}" '
            f'data-called="{html.escape(called(segment, what))}">'
            f'<span class="acseg-swatch" style="background:rgb({red},{green},{blue})"></span>'
            f"<b>{html.escape(called(segment, what))}</b> "
            f"<small>{segment.area:.1%}{sure}</small></button></li>"
        )
    return f'<ul class="acseg-legend" aria-label="Legend">{"".join(items)}</ul>' if items else ""


def called(segment: Segment, what: str) -> str:
    """Say what a label is called: its name and id, or what it is and its id."""
    return f"{segment.name} ({segment.id})" if segment.name else f"{what} {segment.id}"


def thing(kind: str) -> str:
    """Say what one of a kind is called."""
    return "concept" if kind == "concepts" else "class"


def counted(number: int, kind: str) -> str:
    """Say how many there are of a kind."""
    return f"{number} {thing(kind) if number == 1 else kind}"


def links_html(word: str) -> str:
    """Offer the files of a picture, found under its secret word."""
    files = (
        ("labels.png", "Download labels (index PNG)"),
        ("overlay.jpg", "Download overlay (JPEG)"),
        ("regions.json", "Download names and regions (JSON)"),
    )
    items = "".join(
        f'<a class="acseg-download" href="acseg/{html.escape(word)}/{file}" download>{text}</a>'
        for file, text in files
    )
    return f'<nav class="acseg-downloads" aria-label="Downloads">{items}</nav>'


def message_html(text: str, *, bad: bool = True) -> str:
    """Say something: what went wrong, or what was done."""
    kind, role = ("acseg-bad", "alert") if bad else ("acseg-good", "status")
    return f'<p class="acseg-message {kind}" role="{role}">{html.escape(text)}</p>'


def gallery_html(cards: Sequence[tuple[int, str, Image.Image | None, str]]) -> str:
    """Lay out pictures to choose from.

    Parameters
    ----------
    cards : sequence of (number, name, thumbnail, note)
        The number comes back when a card is chosen.
    """
    items = []
    for number, name, thumbnail, note in cards:
        title = html.escape(name)
        image = (
            '<span class="acseg-missing">no overlay</span>'
            if thumbnail is None
            else f'<img src="{_jpeg(thumbnail, 80)}" alt="" width="{thumbnail.width}" '
            f'height="{thumbnail.height}">'
        )
        items.append(
            f'<li><button type="button" class="acseg-card" data-picture="{number}">{image}'
            f"<span>{title}</span><small>{html.escape(note)}</small></button></li>"
        )
    return f'<ul class="acseg-gallery" aria-label="Pictures">{"".join(items)}</ul>'


def _jpeg(picture: Image.Image, quality: int = 88) -> str:
    stream = io.BytesIO()
    picture.save(stream, format="JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _labels_png(labels: np.ndarray) -> str:
    """Encode labels as grey values, which the page reads back exactly."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(labels, dtype=np.uint8)).save(stream, format="PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
