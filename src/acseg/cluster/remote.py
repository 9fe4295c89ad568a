"""The pass over a collection in an object store or in tar files, or into an object store."""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import chain
from pathlib import Path

from acseg.cluster.actor import Segmenter, Spec, make_task, read_done
from acseg.cluster.items import Item, find_items, to_row
from acseg.cluster.packed import pack
from acseg.cluster.ray_pass import run_tasks
from acseg.cluster.store import Store
from acseg.collection import Outcome
from acseg.collection.fingerprint import fingerprint
from acseg.collection.whole import named_classes
from acseg.collection.work import BATCH
from acseg.errors import DataError
from acseg.images.stream import CHUNK
from acseg.model import ACSeg
from acseg.output.names import label_name
from acseg.output.records import Kind, Record, parse_record
from acseg.output.tables import named, write_tables

PARTS = ".acseg/parts"

Progress = Callable[[str, int, int, str], None]


def run_remote(
    model: ACSeg,
    inputs: Sequence[str | Path],
    out: str,
    *,
    kind: Kind = "concepts",
    overlays: bool = True,
    overwrite: bool = False,
    address: str = "auto",
    progress: Progress = lambda task, done, of, note: None,
) -> Outcome:
    """Segment or classify a collection that does not lie in local folders, on a Ray cluster.

    Every chunk of 128 pictures notes in OUT what became of it when all of its files are written;
    a call that was killed does only the chunks without such a note.

    Parameters
    ----------
    model : ACSeg
    inputs : sequence of str or Path
        Folders, addresses (``s3://bucket/photos``), tar files.
    out : str
        A folder or an address. Gets labels/, overlays/, segments.jsonl and classes.json, the same
        bytes as one machine writes; the report is left to `acseg report` on a local copy.
    kind, overlays, overwrite, progress
        As in `acseg.collection.run_collection`.
    address : str
        Of the cluster; see `acseg.cluster.ray_pass.start_ray`.

    Raises
    ------
    DataError
        If there is no picture, or a store or the cluster cannot be reached.
    """
    items, failures = find_items(inputs)
    if not items and not failures:
        raise DataError("no picture found in " + ", ".join(map(str, inputs)))
    store = Store(out)
    if overwrite:
        store.remove(PARTS)
    names = label_name([item.relative for item in items])
    key = fingerprint(model, kind, batch=BATCH)
    task = "segmenting" if kind == "concepts" else "predicting"
    parts: list[str] = []
    tasks, done = [], 0
    for first in range(0, len(items), CHUNK):
        chunk = items[first : first + CHUNK]
        places = [(names[item.relative], item.address) for item in chunk]
        digest = _digest(key, chunk, places, overlays)
        part = f"{PARTS}/{first // CHUNK:08d}.json"
        parts.append(part)
        if _is_done(store, part, digest):
            done += len(chunk)
        else:
            tasks.append(
                make_task(range(first, first + len(chunk)), chunk, places, part=part, digest=digest)
            )
    reused = done
    if tasks:
        spec = Spec(pack(model), kind, key, out, overlays)
        for text in run_tasks(Segmenter, spec, tasks, address):
            done += sum(1 for _ in read_done(text))
            progress(task, done, len(items), "")
    with tempfile.TemporaryDirectory() as folder:
        missed = [Record.failed(f.path, f.reason, kind=kind) for f in failures]
        records = named(chain(missed, map(parse_record, _lines(store, parts))), model.names_)
        classes = named_classes(model) if kind == "classes" else None
        tally, _ = write_tables(Path(folder), records, classes)
        for path in sorted(Path(folder).iterdir()):
            store.put_file(path.name, path)
    return Outcome(
        written=tally.pictures,
        reused=reused,
        failed=tally.failed,
        concepts=tally.segments / max(1, tally.pictures),
    )


def _digest(
    key: str, chunk: Sequence[Item], places: Sequence[tuple[str, str]], overlays: bool
) -> str:
    facts = [key, [to_row(item) for item in chunk], [list(p) for p in places], overlays]
    return sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _is_done(store: Store, part: str, digest: str) -> bool:
    """Say whether all of a chunk is done, by its note."""
    data = store.get(part)
    if data is None:
        return False
    try:
        note = json.loads(data)
        return note["digest"] == digest and all(facts["ok"] for _, facts in note["entries"])
    except (ValueError, KeyError, TypeError):
        return False


def _lines(store: Store, parts: Sequence[str]) -> Iterator[str]:
    """Give each picture's line of segments.jsonl, in the order of the pictures."""
    for part in parts:
        data = store.get(part)
        if data is None:
            raise DataError(f"{part} is gone from {store.where}; run the command again")
        for _, entry in read_done(data.decode()):
            yield entry.record
