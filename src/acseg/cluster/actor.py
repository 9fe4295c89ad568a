"""What each machine of a cluster does: hold the model, and go over chunks of the collection."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from acseg.cluster.items import Item, to_row
from acseg.cluster.store import Store
from acseg.collection.manifest import Entry
from acseg.images.records import Kind
from acseg.images.walk import Source

if TYPE_CHECKING:
    from acseg.model import ACSeg

FETCHERS = 8  # pictures of a store fetched at once


@dataclass(frozen=True)
class Spec:
    """All that a machine needs to make the driver's model anew, and where to write.

    The backbone itself does not travel: "bundled" is in the package, and another must be found
    under its name or folder on every machine.
    """

    run: dict[str, bytes]
    settings: dict[str, Any]
    kind: Kind
    key: str
    out: str
    overlays: bool
    device: str
    precision: str
    runtime: str
    threads: int


def make_spec(model: "ACSeg", kind: Kind, key: str, out: str, *, overlays: bool) -> Spec:
    """Pack a model for the other machines."""
    import torch

    from acseg.settings import settings_to_json

    with tempfile.TemporaryDirectory() as folder:
        model.save(folder)
        run = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    return Spec(
        run=run,
        settings=settings_to_json(model.settings),
        kind=kind,
        key=key,
        out=out,
        overlays=overlays,
        device=model.device,
        precision=model.precision,
        runtime=model.runtime,
        threads=torch.get_num_threads(),
    )


class Segmenter:
    """A model on one machine. Ray makes one of these for each place that it finds.

    Parameters
    ----------
    spec : Spec
    """

    def __init__(self, spec: Spec) -> None:
        import torch

        from acseg.collection.work import Worker
        from acseg.model import ACSeg
        from acseg.settings import settings_from_json

        torch.set_num_threads(spec.threads)  # sums round otherwise with another number of them
        with tempfile.TemporaryDirectory() as folder:
            for name, data in spec.run.items():
                Path(folder, name).write_bytes(data)
            model = ACSeg.load(
                folder, device=spec.device, precision=spec.precision, runtime=spec.runtime
            )
        model.settings = settings_from_json(spec.settings, "the driver")
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
            "first", "items" (rows of `Item`), "places", "known" (sizes of pictures that are done,
            or null), "only" (places in the chunk that are to do, or null), and "part", the name
            under which the entries are kept in the store, or null.
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
                only=task["only"],
                known=lambda index: known[index],
            ):
                if index in lost:
                    entry = Entry.failed(entry.path, lost[index], kind=self._worker.kind)
                entries[index] = replace(entry, stamp=items[index].stamp) if entry.ok else entry
        rows = [[index, asdict(entries[index])] for index in sorted(entries)]
        done = {"first": task["first"], "entries": rows}
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
    first: int,
    items: Sequence[Item],
    places: Sequence[tuple[str, str]],
    *,
    known: Sequence[tuple[int, int] | None] | None = None,
    only: Sequence[int] | None = None,
    part: str | None = None,
    digest: str = "",
) -> dict[str, str]:
    """Make the row of a chunk; see `Segmenter.chunk`."""
    task = {
        "first": first,
        "items": [to_row(item) for item in items],
        "places": [list(place) for place in places],
        "known": list(known) if known is not None else [None] * len(items),
        "only": None if only is None else list(only),
        "part": part,
        "digest": digest,
    }
    return {"task": json.dumps(task)}


def read_done(text: str) -> Iterator[tuple[int, Entry]]:
    """Read what `Segmenter.chunk` gave: the place of each picture in the collection, its entry."""
    done = json.loads(text)
    for index, facts in done["entries"]:
        size = int(facts["size"][0]), int(facts["size"][1])
        yield done["first"] + index, Entry(**{**facts, "size": size})
