"""What each machine of a cluster does: hold the model, and go over chunks of the collection."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from acseg.cluster.items import Item, to_row
from acseg.cluster.packed import Packed, unpack
from acseg.cluster.store import Store
from acseg.images.walk import Source
from acseg.output.manifest import Entry
from acseg.output.records import Kind

FETCHERS = 8  # pictures of a store fetched at once


@dataclass(frozen=True)
class Spec:
    """What a machine needs to know to write what the driver's machine would write."""

    model: Packed
    kind: Kind
    key: str
    out: str
    overlays: bool


class Segmenter:
    """A model on one machine. Ray makes one of these for each place that it finds.

    Parameters
    ----------
    spec : Spec
    """

    def __init__(self, spec: Spec) -> None:
        from acseg.collection.work import Worker

        model = unpack(spec.model)
        self._store = Store(spec.out)
        self._worker = Worker(
            model, kind=spec.kind, key=spec.key, put=self._store.put, overlays=spec.overlays
        )

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Go over the chunks of a batch of rows {"task": json}; give {"done": json}."""
        return {"done": [json.dumps(self.chunk(json.loads(str(t)))) for t in batch["task"]]}

    def chunk(self, task: dict[str, Any]) -> dict[str, Any]:
        """Do one chunk of the collection.

        Parameters
        ----------
        task : dict
            "indices" (places in the collection), "items" (rows of `Item`), "places", "known"
            (sizes of pictures that are done, or null), and "part", the name under which the
            entries are kept in the store, or null.
        """
        from acseg.collection.work import Place, work

        items = [Item(*row) for row in task["items"]]
        known = [None if size is None else (size[0], size[1]) for size in task["known"]]
        belongs = {item.relative: Place(*p) for item, p in zip(items, task["places"], strict=True)}
        with tempfile.TemporaryDirectory() as folder:
            sources, lost = self._fetch(items, Path(folder))
            entries: dict[int, Entry] = {}
            for index, entry in work(
                self._worker,
                sources,
                lambda source: belongs[source.relative],
                known=lambda index: known[index],
            ):
                if index in lost:
                    entry = Entry.failed(entry.path, lost[index], kind=self._worker.kind)
                entries[index] = replace(entry, stamp=items[index].stamp) if entry.ok else entry
        indices = task["indices"]
        done = {"entries": [[indices[i], asdict(entries[i])] for i in sorted(entries)]}
        if task["part"] is not None:
            self._store.put(task["part"], json.dumps({**done, "digest": task["digest"]}).encode())
        return done

    def _fetch(self, items: Sequence[Item], folder: Path) -> tuple[list[Source], dict[int, str]]:
        """Bring what lies in a store or tar file into local files; say what could not be had."""
        lost: dict[int, str] = {}

        def bring(index: int) -> Source:
            item = items[index]
            if item.start < 0 and "://" not in item.address:
                return Source(Path(item.address), item.relative)
            path = folder / f"{index}{PurePosixPath(item.relative).suffix}"
            try:
                path.write_bytes(item.read())
            except OSError as error:
                lost[index] = f"cannot be fetched: {error}"
            return Source(path, item.relative)

        with ThreadPoolExecutor(FETCHERS) as pool:
            return list(pool.map(bring, range(len(items)))), lost


def make_task(
    indices: Sequence[int],
    items: Sequence[Item],
    places: Sequence[tuple[str, str]],
    *,
    known: Sequence[tuple[int, int] | None] | None = None,
    part: str | None = None,
    digest: str = "",
) -> dict[str, str]:
    """Make the row of a chunk; see `Segmenter.chunk`."""
    task = {
        "indices": list(indices),
        "items": [to_row(item) for item in items],
        "places": [list(place) for place in places],
        "known": list(known) if known is not None else [None] * len(items),
        "part": part,
        "digest": digest,
    }
    return {"task": json.dumps(task)}


def read_done(text: str) -> Iterator[tuple[int, Entry]]:
    """Read what `Segmenter.chunk` gave: the place of each picture in the collection, its entry."""
    done = json.loads(text)
    for index, facts in done["entries"]:
        size = int(facts["size"][0]), int(facts["size"][1])
        yield index, Entry(**{**facts, "size": size})
