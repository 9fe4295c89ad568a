"""What happens when a visitor drops, moves, picks, names or looks through: values in, HTML out."""

import html
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from acseg.app.browse import Folder, page_of
from acseg.app.dropped import Dropped, Shelf
from acseg.app.explore import SHOWN_SIDE, Controls, Explorer
from acseg.app.naming import clean_name
from acseg.app.view import (
    EMPTY,
    called,
    counted,
    frame_html,
    gallery_html,
    links_html,
    message_html,
    picture_html,
    thing,
)
from acseg.errors import AcsegError, DataError
from acseg.output.label_png import encode_labels

Given = Mapping[int, Mapping[int, str]]  # names by generator and class id
GONE = "this picture is no longer held; drop it again"


@dataclass(frozen=True)
class Answer:
    """What the page shows: a message, the picture, and its labels as (text, id) to choose from."""

    message: str = ""
    view: str = EMPTY
    labels: list[tuple[str, int]] = field(default_factory=list)


class Desk:
    """Answers the page.

    Parameters
    ----------
    explorer : Explorer
    shelf : Shelf
    folders : list of Folder
        What can be browsed.
    may_write : bool
        Whether names may be written to a RUN.
    """

    def __init__(
        self, explorer: Explorer, shelf: Shelf, folders: list[Folder], *, may_write: bool
    ) -> None:
        self.explorer, self.shelf, self.folders = explorer, shelf, folders
        self.may_write = may_write

    def show(self, word: str | None, controls: Controls, given: Given, note: str = "") -> Answer:
        """Draw the picture that is held under a word."""
        dropped = self.shelf.get(word)
        if dropped is None:
            return Answer(message_html(GONE)) if word else Answer()
        try:
            self._check(controls)
            own = given.get(controls.generator, {})
            found = self.explorer.draw(dropped, controls, own)
        except AcsegError as error:
            return Answer(message_html(str(error)))
        dropped.shown = (controls, dict(own))
        view = picture_html(
            found, name=dropped.name, strength=controls.strength, links=links_html(str(word))
        )
        labels = [(called(s, thing(found.kind)), s.id) for s in found.segments]
        return Answer(message_html(note, bad=False) if note else "", view, labels)

    def name(
        self, word: str | None, controls: Controls, given: Given, label: int | None, name: str
    ) -> tuple[Answer, Given]:
        """Give a label of the picture a name; an empty one takes it away."""
        dropped = self.shelf.get(word)
        if dropped is None or label is None:
            said = GONE if word and dropped is None else "click on a region first, then name it"
            answer = self.show(word, controls, given)
            return Answer(message_html(said), answer.view, answer.labels), given
        name = clean_name(name)
        if controls.kind == "concepts":
            names = dropped.names.setdefault(controls.way, {})
            names.pop(label, None)
            if name:
                names[label] = name
            note = f"concept {label} of this picture is called {name!r}"
        else:
            own = {**given.get(controls.generator, {}), label: name}
            given = {**given, controls.generator: own}
            note = f"class {label} is called {name!r} while this page is open"
            note += "; the RUN is not changed yet" if self.may_write else ""
        if not name:
            note = f"{thing(controls.kind)} {label} has no name now"
        return self.show(word, controls, given, note), given

    def name_of(self, controls: Controls, given: Given, word: str | None, label: int) -> str:
        """Give the name that a label has now; empty if none."""
        if controls.kind == "classes":
            own = given.get(controls.generator, {})
            return self.explorer.names(controls.generator, own).get(label, "")
        dropped = self.shelf.get(word)
        return "" if dropped is None else dropped.names.get(controls.way, {}).get(label, "")

    def write(self, controls: Controls, given: Given) -> tuple[str, Given]:
        """Write the names given to classes into the RUN: a message, and what is left to write."""
        own = given.get(controls.generator, {})
        if not self.may_write:
            return message_html("names cannot be written from here; see acseg serve --help"), given
        if not own:
            return message_html("no class was named yet; concepts of one picture stay here"), given
        try:
            run = self.explorer.save_names(controls.generator, own)
        except AcsegError as error:
            return message_html(str(error)), given
        note = f"{len(own)} {'name' if len(own) == 1 else 'names'} written to {run.name}"
        left = {g: names for g, names in given.items() if g != controls.generator}
        return message_html(note, bad=False), left

    def download(self, word: str, file: str) -> tuple[bytes, str, str] | None:
        """Make a file of a picture at its full size: content, media type, name for saving."""
        dropped = self.shelf.get(word)
        if dropped is None or dropped.shown is None:
            return None
        stem = dropped.name.rsplit(".", 1)[0]
        controls, own = dropped.shown
        found = self.explorer.draw_full(dropped, controls, own)
        if file == "labels.png":
            return encode_labels(found.labels, found.palette), "image/png", f"{stem}.labels.png"
        if file == "overlay.jpg":
            stream = io.BytesIO()
            found.overlay(strength=controls.strength).save(stream, format="JPEG", quality=92)
            return stream.getvalue(), "image/jpeg", f"{stem}.overlay.jpg"
        if file == "regions.json":
            return _regions(dropped, found), "application/json", f"{stem}.regions.json"
        return None

    def browse(
        self, folder: int, label: int | None, text: str, subfolder: str | None, page: int
    ) -> tuple[str, str, int, int]:
        """Lay out a page of an OUT folder: the gallery, what it says, the page of how many."""
        try:
            out = self.folders[folder]
            out.read()
        except AcsegError as error:
            return "", message_html(str(error)), 1, 1
        found = out.find(label=label, text=text, subfolder=subfolder or None)
        places, page, pages = page_of(found, page)
        cards = []
        for place in places:
            record = out.records[place]
            count = len(record.segments)
            note = counted(count, record.kind)
            if label is not None:
                share = sum(s.area for s in record.segments if s.id == label)
                note = f"{share:.0%} of it"
            cards.append((place, record.path, out.thumbnail(place, label), note))
        said = f"{len(found)} of {len(out.records)} pictures, page {page} of {pages}"
        if out.failed:
            said += f"; {out.failed} could not be read when it was made"
        status = f'<p class="acseg-count" role="status">{html.escape(said)}</p>'
        return gallery_html(cards) if cards else "", status, page, pages

    def look(self, folder: int, place: int) -> str:
        """Show one picture of an OUT folder."""
        try:
            out = self.folders[folder]
            if not 0 <= place < len(out.records):
                raise DataError(f"there is no picture {place} in {out.name}")
            shown = out.show(place, SHOWN_SIDE)
        except AcsegError as error:
            return message_html(str(error))
        return frame_html(
            shown.drawn,
            shown.labels,
            shown.record.segments,
            colours=out.colours,
            kind=shown.record.kind,
            name=shown.record.path,
        )

    def _check(self, controls: Controls) -> None:
        """Refuse what the controls of the page cannot say."""
        if not 0 <= controls.generator < len(self.explorer.choices):
            raise DataError("there is no such generator")
        least, most, _ = self.explorer.sides(controls.generator)
        if not least <= controls.side <= most:
            raise DataError(f"the resolution must lie in {least} to {most}, not {controls.side}")
        classes = self.explorer.model(controls.generator).centres_ is not None
        if controls.kind not in (("concepts", "classes") if classes else ("concepts",)):
            raise DataError(f"this generator has no {controls.kind}")
        for value in (controls.merge, controls.confidence, controls.strength):
            if not 0 <= value <= 1:
                raise DataError(f"thresholds and strength lie in 0..1, not {value}")


def _regions(dropped: Dropped, found: Any) -> bytes:
    """List the regions of a picture with names and colours."""
    height, width = found.labels.shape
    table = found.palette
    regions = [
        {
            "id": s.id,
            "name": s.name,
            "area": round(s.area, 6),
            "box": list(s.box),
            "confidence": s.confidence,
            "colour": [int(v) for v in table[s.id]],
        }
        for s in found.segments
    ]
    data = {"path": dropped.name, "size": [width, height], found.kind: regions}
    return (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode("utf-8")
