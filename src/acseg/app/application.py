"""What the page asks for: the pictures of a visitor or of a folder, drawn, edited, given out."""

from pathlib import Path
from typing import Any

from acseg.app.drawn import FILES, count_pixels, file_of, read_dropped
from acseg.app.folders import Folder
from acseg.app.guard import Refused
from acseg.app.limits import Budget, Limits
from acseg.app.models import (
    Served,
    change_of,
    describe_classes,
    describe_gone,
    version_of,
)
from acseg.app.store import Held, Store, Visitor
from acseg.classes.edits import Edits
from acseg.errors import AcsegError, DataError
from acseg.output.records import Kind
from acseg.report.describe import hex_colours


class Application:
    """Models, folders and visitors.

    Parameters
    ----------
    models : list of Served
        One at least.
    folders : list of Folder
    samples : list of Path
        Pictures to try it with.
    limits : Limits
    may_write : bool
        Whether visitors may change names, merges and drops.
    """

    def __init__(
        self,
        models: list[Served],
        folders: list[Folder],
        samples: list[Path],
        *,
        limits: Limits,
        budget: Budget,
        may_write: bool = True,
    ) -> None:
        self.models, self.folders, self.samples = models, folders, samples
        self.limits, self.budget, self.may_write = limits, budget, may_write
        self.store = Store(limits)

    def state(self, visitor: Visitor, folder: int | None) -> dict[str, Any]:
        """Give all that the page shows: of a folder, or of what the visitor dropped."""
        place = self._editable(folder, visitor)
        edits = None if place is None else self.models[place].edits()
        shared = {
            "sources": [{"title": f.title, "kind": f.output.kind} for f in self.folders],
            "folder": folder,
            "models": [
                {"title": m.title, "classes": m.has_classes, "ready": m.ready} for m in self.models
            ],
            "model": visitor.model,
            "samples": len(self.samples),
            "limits": {"bytes": self.limits.bytes, "pixels": self.limits.pixels},
            "edit": None
            if edits is None
            else {
                "model": place,
                "version": version_of(edits),
                "undo": self.models[place or 0].can_undo(edits),
                "gone": describe_gone(edits),
            },
        }
        if folder is not None:
            return {**shared, **self.folder(folder).state()}
        return {**shared, **self._dropped(visitor)}

    def _editable(self, folder: int | None, visitor: Visitor) -> int | None:
        """Say which model the cards change: that of the pictures that are shown."""
        if not self.may_write:
            return None
        if folder is None:
            return visitor.model if self.kind(visitor) == "classes" else None
        own = [place for place, model in enumerate(self.models) if model.has_classes]
        if len(own) != 1 or not self._belongs(self.folder(folder), self.models[own[0]]):
            return None
        return own[0]

    def _belongs(self, folder: Folder, model: Served) -> bool:
        """Say whether a folder can be one that the model predicted."""
        edits = model.edits()
        if edits is None or folder.output.kind != "classes":
            return False
        try:
            folder.output.require_classes(edits.count)
        except AcsegError:
            return False
        return True

    def kind(self, visitor: Visitor) -> Kind:
        """Say what is drawn for a visitor: what they chose, else classes where there are some."""
        classes = self.models[visitor.model].has_classes
        return "classes" if classes and visitor.kind != "concepts" else "concepts"

    def folder(self, place: int) -> Folder:
        """Give a folder."""
        if not 0 <= place < len(self.folders):
            raise Refused(404, "there is no such folder")
        return self.folders[place]

    def _dropped(self, visitor: Visitor) -> dict[str, Any]:
        kind, edits = self.kind(visitor), self.models[visitor.model].edits()
        pictures = [
            self.entry(visitor, held, whole=False) for held in list(visitor.pictures.values())
        ]
        classes = describe_classes(edits) if kind == "classes" and edits else []
        _count(classes, pictures)
        return {
            "kind": kind,
            "total": len(pictures),
            "classes": classes,
            "colours": hex_colours(255),
            "failures": [],
            "pictures": pictures,
        }

    def entry(self, visitor: Visitor, held: Held, *, whole: bool = True) -> dict[str, Any]:
        """Describe a dropped picture; with its small maps where it is `whole`."""
        at = f"/api/picture/{held.word}"
        entry: dict[str, Any] = {"word": held.word, "path": held.name, "found": []}
        drawn = held.drawn
        if drawn is None or drawn.kind != self.kind(visitor):
            return {**entry, "size": None, "small": None, "stale": True}
        described = drawn.describe(self._edits(visitor, drawn.kind))
        if not whole:
            for key in ("labels", "leaves", "tree"):
                described.pop(key, None)
        return {
            **entry,
            **described,
            "photo": f"{at}/small.jpg",
            "large": f"{at}/large.jpg",
            "more": f"{at}/map.json",
            "files": {file: f"{at}/{file}" for file in FILES},
        }

    def _edits(self, visitor: Visitor, kind: Kind) -> Edits | None:
        return self.models[visitor.model].edits() if kind == "classes" else None

    def drop(self, visitor: Visitor, name: str, data: bytes) -> Held:
        """Take in a picture, not drawn yet; refused at once if it is none, or too large."""
        if not data:
            raise DataError(f"{name}: the file is empty")
        count_pixels(name, data, self.limits)
        return self.store.put(visitor, name, data)

    def draw(self, visitor: Visitor, held: Held) -> dict[str, Any]:
        """Draw a picture as the visitor wants it; one that cannot be drawn is not kept."""
        try:
            model = self.models[visitor.model]
            held.drawn = model.draw(held.name, held.data, self.kind(visitor), None)
        except AcsegError:
            self.store.remove(visitor, held.word)
            raise
        return self.entry(visitor, held)

    def choose(self, visitor: Visitor, model: Any, kind: Any) -> None:
        """Draw with another model, or concepts instead of classes, from now on."""
        if not isinstance(model, int) or not 0 <= model < len(self.models):
            raise DataError("there is no such model")
        if kind not in ("concepts", "classes"):
            raise DataError("what is drawn are concepts or classes")
        visitor.model, visitor.kind = model, kind

    def file(
        self, visitor: Visitor, word: str, file: str, granularity: float | None
    ) -> tuple[bytes | dict[str, Any], str, str]:
        """Make a file of a dropped picture: content, media type, name for saving."""
        held = self.store.get(visitor, word)
        drawn = held.drawn
        if drawn is None:
            raise Refused(404, "it is not drawn yet")
        if file in ("small.jpg", "large.jpg"):
            return (drawn.small if file == "small.jpg" else drawn.large), "image/jpeg", ""
        if file == "map.json":
            return self.entry(visitor, held), "application/json", ""
        if file not in FILES:
            raise Refused(404, "not here")
        if granularity is not None and not 0 <= granularity <= 1:
            raise DataError("granularity lies in 0..1")
        model = self.models[visitor.model].model()
        reading = model.settings.encoding.reading
        image = read_dropped(held.name, held.data, self.limits, self.budget, reading=reading)
        with self.budget.hold(image.shape[0] * image.shape[1]):
            found = drawn.segmentation(image, self._edits(visitor, drawn.kind), granularity)
            content = file_of(found, file, held.name)
        return content, FILES[file], f"{held.name.rsplit('.', 1)[0]}.{file}"

    def edit(self, asked: dict[str, Any]) -> list[str]:
        """Change names, merges and drops, in the model folder and the folders it predicted.

        Returns
        -------
        list of str
            What could not be brought up to date.
        """
        place = asked.get("model")
        if not self.may_write:
            raise Refused(403, "names are changed on the machine itself only")
        if not isinstance(place, int) or not 0 <= place < len(self.models):
            raise DataError("there is no such model")
        model = self.models[place]
        edits = model.change(str(asked.get("version")), change_of(asked))
        failed = []
        if sum(m.has_classes for m in self.models) == 1:
            for folder in self.folders:
                if self._belongs(folder, model):
                    failed += folder.carry(edits, model.reading())
        return failed

    def close(self) -> None:
        """Finish what is written in the background."""
        for folder in self.folders:
            folder.close()


def _count(classes: list[dict[str, Any]], pictures: list[dict[str, Any]]) -> None:
    """Fill in shares, numbers of pictures and confidence of classes."""
    total = sum(p["size"][0] * p["size"][1] for p in pictures if p["size"])
    for item in classes:
        own = [s for p in pictures for s in p["found"] if s["id"] == item["id"]]
        pixels = sum(s["pixels"] for s in own)
        sure = [(s["confidence"], s["pixels"]) for s in own if s["confidence"] is not None]
        weight = sum(n for _, n in sure)
        item["share"] = round(pixels / max(1, total), 4)
        item["pictures"] = len(own)
        item["confidence"] = round(sum(c * n for c, n in sure) / weight, 4) if weight else None
