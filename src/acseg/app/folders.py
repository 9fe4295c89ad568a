"""The output folders that are served: what `segment` or `predict` wrote, looked through."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

from PIL import Image

from acseg.app.drawn import LARGE, SMALL
from acseg.app.guard import Refused
from acseg.app.limits import Budget, Limits
from acseg.classes.edits import Edits
from acseg.errors import AcsegError
from acseg.images.bands import Reading
from acseg.images.read import read_image
from acseg.names import safe_text
from acseg.output import Output
from acseg.output.records import Record
from acseg.report.describe import describe_folder, describe_picture, hex_colours, maps, thumbnail
from acseg.report.html import write_report
from acseg.report.legend import legend
from acseg.report.thumbnails import jpeg_bytes

_THUMBNAIL = 256  # short side


class Folder:
    """One output folder; read again only when it was written since.

    Parameters
    ----------
    place : int
        Which of the folders that are served.
    path : Path
    limits : Limits
    budget : Budget

    Raises
    ------
    DataError
        If it is no output folder, or broken.
    """

    def __init__(self, place: int, path: Path, limits: Limits, budget: Budget) -> None:
        self.place, self.limits, self.budget = place, limits, budget
        self.output = Output(path)
        self.title = safe_text(path.resolve().name)
        self._stamp: tuple[Any, ...] = ()
        self._records: dict[str, Record] = {}
        self._state: dict[str, Any] = {}
        self._lock, self._writing = Lock(), Lock()
        self._reports, self._changes = ThreadPoolExecutor(1), 0
        self.output.tally()

    def state(self) -> dict[str, Any]:
        """Give the page's data; photographs and label maps are fetched one by one."""
        with self._lock:
            self._read()
            return self._state

    def _read(self) -> None:
        table = self.output.path("classes.json")
        changed = table.stat().st_mtime_ns if table.exists() else 0
        stamp = (*self.output.stamp(), changed)
        if stamp == self._stamp:
            return
        records = [r for r in self.output.records() if r.status == "ok"]
        state = {**describe_folder(self.output), "classes": legend(self.output), "pictures": []}
        leaves = max((len(r.tree.get("sizes", ())) for r in records if r.tree), default=0)
        state["colours"] = hex_colours(max(len(state["colours"]), min(255, leaves)))
        for record in records:
            entry = describe_picture(record, self.output)
            width, height = record.size or (4, 3)
            scale = min(1, SMALL / min(width, height), 3 * SMALL / max(width, height))
            entry["small"] = max(1, round(width * scale)), max(1, round(height * scale))
            for key, file in (("photo", "small.jpg"), ("large", "large.jpg"), ("more", "map.json")):
                entry[key] = self._address(file, record.path, stamp)
            entry["files"] = {
                file: self._address(file, record.path, stamp)
                for file in ("labels.png", "overlay.jpg")
                if file != "overlay.jpg" or entry["overlay"]
            }
            state["pictures"].append(entry)
        self._records = {record.path: record for record in records}
        self._state, self._stamp = state, stamp

    def carry(self, edits: Edits, reading: Reading) -> list[str]:
        """Write names, merges and drops into the folder; its report follows in the background.

        Returns
        -------
        list of str
            What could not be brought up to date.
        """
        from acseg.collection.redraw import carry_into

        with self._writing:
            try:
                bad = carry_into(self.output.folder, edits, reading=reading, report=False)
            except (AcsegError, OSError) as error:
                return [f"{self.title}: {error}"]
            finally:
                self._changes += 1
                self._reports.submit(self._report, self._changes)
        return [f"{path}: {reason}" for path, reason in bad]

    def _report(self, wanted: int) -> None:
        if wanted != self._changes:
            return  # another change has come, and its report holds this one too
        from acseg.collection.redraw import TITLE

        with self._writing, suppress(AcsegError, OSError):
            write_report(self.output.folder, title=TITLE)

    def close(self) -> None:
        """Wait until the report is written."""
        self._reports.shutdown()

    def _address(self, file: str, path: str, stamp: tuple[Any, ...]) -> str:
        return f"/api/folder/{self.place}/{file}?v={stamp[0] ^ stamp[-1]:x}&path={quote(path)}"

    def file(self, file: str, path: str) -> tuple[bytes | dict[str, Any], str, str]:
        """Make a file of a picture: content, media type, name for saving.

        Raises
        ------
        Refused
            If there is no such picture or file.
        AcsegError
            If it cannot be read, or a link is in the way.
        """
        with self._lock:
            self._read()
            record = self._records.get(path)
        if record is None:
            raise Refused(404, "there is no such picture in this folder")
        name = record.path.rsplit("/", 1)[-1]
        width, height = record.size or (1, 1)
        if file == "small.jpg":
            with self.budget.hold(width * height):
                return jpeg_bytes(thumbnail(record, self.output, _THUMBNAIL), 80), "image/jpeg", ""
        if file == "large.jpg":
            shown = self.output.photograph(record) or self.output.overlay(record)
            if shown is None:
                raise Refused(404, "the photograph is gone")
            with self.budget.hold(width * height):
                picture = Image.fromarray(read_image(shown, short_side=LARGE))
                picture.thumbnail((LARGE, LARGE), Image.Resampling.LANCZOS, reducing_gap=3)
                return jpeg_bytes(picture, 88), "image/jpeg", ""
        if file == "map.json":
            small = next(p["small"] for p in self._state["pictures"] if p["path"] == path)
            return maps(record, self.output, small), "application/json", ""
        if file == "labels.png":
            data = self.output.path(self.output.place(record)).read_bytes()
            return data, "image/png", f"{name}.labels.png"
        drawn = self.output.overlay(record)
        if file == "overlay.jpg" and drawn is not None:
            return drawn.read_bytes(), "image/jpeg", f"{name}.overlay.jpg"
        raise Refused(404, "not here")
