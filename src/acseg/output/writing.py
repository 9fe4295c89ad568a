"""Writing an output folder: under its lock, one line a picture, tables at the end."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from acseg.errors import DataError
from acseg.names import MARK, safe_text
from acseg.output.atomic import remove_partials, write_atomic
from acseg.output.claim import FOLDERS, TABLES, Claim, Key, new_claim, read_claim
from acseg.output.inputs import name_inputs
from acseg.output.lock import locked
from acseg.output.manifest import Entry, Manifest
from acseg.output.names import LEAVES, label_name, overlay_of
from acseg.output.records import Kind, Record, parse_record, record_line
from acseg.output.tables import named, write_tables
from acseg.output.tally import Tally
from acseg.untrusted import inside, is_inside

MANIFEST = f"{MARK}/manifest.jsonl"


@dataclass(frozen=True)
class Finished:
    """What the tables hold: of all pictures, of those of this call, and a digest of both."""

    all: Tally
    own: Tally
    digest: str


@contextmanager
def open_writing(folder: Path) -> Iterator["Writing"]:
    """Open an output folder for writing; see `acseg.output.Output.writing`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {error.strerror}") from error
    with locked(folder / MARK / "lock") as killed:
        for name in (*FOLDERS, *TABLES):
            inside(folder, name)  # no link, before anything is touched
        if killed:
            for name in (*FOLDERS, MARK):
                remove_partials(folder / name, deep=True)
            remove_partials(folder)
        with Manifest(inside(folder, MANIFEST)) as manifest:
            yield Writing(folder, manifest)


OURS = (*(f"{folder}/" for folder in FOLDERS), f"{LEAVES}/")
"""Where the files of a picture lie; nothing else is deleted."""


class Writing:
    """An output folder that is open for writing.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self._manifest = folder, manifest
        self._key, self._foreign = "", frozenset[str]()
        self._order: list[str] = []
        self._failures: list[Record] = []

    def begin(self, kind: Kind, key: str, *, overwrite: bool) -> None:
        """Claim the folder for results of a kind and model; see `acseg.output.Output.writing`."""
        claim = read_claim(self.folder)
        if claim is not None and overwrite:
            self._forget()
        if claim is None:
            claim = new_claim(self.folder, kind, Key.parse(key).model)
        wanted = Claim(kind, Key.parse(key).model, claim.foreign)
        if wanted != claim and any(entry.ok for entry in self._manifest.entries()):
            what = "" if claim.kind != kind else " of another model"
            raise DataError(
                f"{safe_text(self.folder)} holds {claim.kind}{what}; use another -o, or "
                "--overwrite to start it anew"
            )
        wanted.write(self.folder)
        self._key, self._foreign = key, frozenset(wanted.foreign)

    def adopt(self, record: Record, place: str) -> None:
        """Take over a picture that was written before, as it is."""
        if record.path not in self._manifest and record.status != "ok":
            self._failures.append(record)
            return
        if record.path not in self._manifest:
            files = {n: self.length(n) for n in (place, overlay_of(place)) if self.length(n) >= 0}
            width, height = record.size or (0, 0)
            entry = Entry(record.path, record_line(record), source=record.source or "")
            self.add(replace(entry, size=(height, width), files=files))
        self._order.append(record.path)

    def take(self, inputs: Sequence[tuple[str, Path]]) -> list[tuple[str, str]]:
        """Say under which names the pictures of this call are kept, and their label maps.

        A picture that was there before keeps its names; one whose name another picture has gets
        its parent folders in front.

        Parameters
        ----------
        inputs : sequence of (str, Path)
            Relative name and file of each picture.

        Returns
        -------
        list of (str, str)
            Relative name, and the path of the label map below ``labels/``.

        Raises
        ------
        DataError
            If pictures would stay beside them that were drawn with other settings, merges or drops.
        """
        entries = self._manifest.entries()
        names, given, other = name_inputs(self.folder, inputs, entries, self._key)
        if other:
            raise DataError(
                f"{other} pictures in {safe_text(self.folder)} that are not among these were drawn "
                "with other settings, merges or drops; name them too, use another -o, or let "
                "`acseg classes merge MODEL ... -o OUT` (or drop) draw them anew"
            )
        self._order += names
        places = label_name(names, given)
        return [(name, places[name]) for name in names]

    def done(
        self, path: str, *, source: str, stamp: Callable[[], str], files: Iterable[str]
    ) -> tuple[int, int] | None:
        """Say whether a picture is done: its height and width, or None for one to do.

        Parameters
        ----------
        path : str
            Its relative name.
        source : str
            Where its file lies.
        stamp : callable
            Says what the file is now.
        files : iterable of str
            What must be there of it.
        """
        entry = self._manifest.get(path)
        if entry is None or not entry.ok or (entry.model, entry.source) != (self._key, source):
            return None
        whole = all(self.length(name) == entry.files.get(name, -2) for name in files)
        return entry.size if whole and entry.stamp == stamp() else None

    def length(self, name: str) -> int:
        """Say how many bytes a file has; -1 where it is not there."""
        try:
            return inside(self.folder, name).stat().st_size
        except OSError:
            return -1

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all, in any thread.

        Raises
        ------
        OSError
            If it cannot be written.
        DataError
            If a link is in the way, or a file that acseg did not write.
        """
        write_atomic(self.writable(name), data)

    def writable(self, name: str) -> Path:
        """Give the path of a file that may be written; errors as of `write`."""
        if name in self._foreign:
            raise DataError(f"{name} was there before, and acseg did not write it")
        return inside(self.folder, name)

    def add(self, entry: Entry) -> None:
        """Note what became of a picture whose files are written."""
        self._manifest.add(entry)

    def put(self, record: Record, files: Mapping[str, bytes], *, key: str | None = None) -> None:
        """Write the files of a picture, and note its record.

        Parameters
        ----------
        record : Record
        files : mapping of str to bytes
            By their names in the folder: ``labels/a.png``, ``overlays/a.jpg``.
        key : str, optional
            What drew it; default what the folder was opened for.
        """
        for name, data in files.items():
            self.write(name, data)
        if record.path not in self._manifest:
            self._order.append(record.path)
        old = self._manifest.get(record.path) or Entry(record.path, "")
        width, height = record.size or (0, 0)
        entry = replace(
            old,
            record=record_line(record),
            ok=record.status == "ok",
            model=self._key if key is None else key,
            source=old.source or record.source or "",
            size=(height, width),
            files={**old.files, **{name: len(data) for name, data in files.items()}},
        )
        self.add(entry)

    def entry(self, path: str) -> Entry | None:
        """Give what is noted of a picture."""
        return self._manifest.get(path)

    def finish(
        self,
        classes: Mapping[int, str | None] | None = None,
        *,
        names: Mapping[int, str] | None = None,
        failures: Iterable[Record] = (),
    ) -> Finished:
        """Write segments.jsonl, areas.csv, and classes.json where there are classes.

        Pictures of earlier calls come first, then inputs that gave no picture, then the pictures
        of this call in their order.

        Parameters
        ----------
        classes : mapping of class id to name, optional
            What ``classes.json`` lists.
        names : mapping of class id to str, optional
            Names in records; default those of `classes`.
        failures : iterable of Record
            Inputs that gave no picture.
        """
        failures = [*failures, *self._failures]
        order = list(dict.fromkeys(self._order))
        own, now = Tally(), set(order)
        before = [path for path in self._manifest if path not in now]

        def records() -> Iterator[Record]:
            yield from map(self._parsed, before)
            for record in failures:
                own.add(record)
                yield record
            for path in order:
                if path in self._manifest:
                    record = self._parsed(path)
                    own.add(record)
                    yield record

        known = {c: name for c, name in (classes or {}).items() if name}
        found = named(records(), known if names is None else names)
        tally, digest = write_tables(self.folder, found, classes)
        self._manifest.sort([*before, *order])
        return Finished(tally, own, digest)

    def settled(self, **facts: object) -> bool:
        """Say whether the call before ended with these facts, and nothing was done since."""
        return self._manifest.finished == facts

    def settle(self, **facts: object) -> None:
        """Note facts at the end of a call."""
        self._manifest.note(**facts)

    def _parsed(self, path: str) -> Record:
        entry = self._manifest.get(path)
        assert entry is not None  # noqa: S101  it is one of the manifest's own
        return parse_record(entry.record)

    def _forget(self) -> None:
        """Delete what acseg wrote here: files that the manifest names, and the tables."""
        for entry in self._manifest.entries():
            for name in entry.files:
                if name.startswith(OURS) and is_inside(name):
                    inside(self.folder, name).unlink(missing_ok=True)
        for name in TABLES:
            inside(self.folder, name).unlink(missing_ok=True)
        self._manifest.sort([])
