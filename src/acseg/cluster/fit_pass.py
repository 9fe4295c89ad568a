"""The two passes of `fit` on a Ray cluster: tokens to train on, and leaves to make classes of."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acseg.cluster.packed import Packed, pack, unpack
from acseg.cluster.ray_pass import run_tasks
from acseg.images.stream import Size, unfinished_chunks
from acseg.images.walk import Source
from acseg.model import ACSeg
from acseg.training.passes import Encode, Encoded, LeafTable, TokenSample, encode_sources


class Encoder:
    """A model on one machine, that encodes chunks of the collection.

    Parameters
    ----------
    packed : Packed
    """

    def __init__(self, packed: Packed) -> None:
        self._model = unpack(packed)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Go over the chunks of a batch of rows {"task": json}; give {"done": arrays as bytes}."""
        return {"done": [self.chunk(json.loads(str(task))) for task in batch["task"]]}

    def chunk(self, task: dict[str, Any]) -> bytes:
        """Encode one chunk.

        Parameters
        ----------
        task : dict
            "indices" (places in the collection), "sources" (path, relative name, window), "known"
            (sizes of pictures that are done, or null), "tokens" (how many are
            drawn; null to describe leaves).
        """
        sources = [
            Source(Path(path), relative, None if window is None else tuple(window))
            for path, relative, window in task["sources"]
        ]
        known = [None if size is None else (size[0], size[1]) for size in task["known"]]
        count = task["tokens"]
        encode = LeafTable() if count is None else TokenSample(count)
        arrays: dict[str, np.ndarray] = {}
        notes: list[list[Any]] = []
        for index, size, found in encode_sources(
            self._model,
            sources,
            encode,
            only=range(len(sources)),
            known=lambda index: known[index],
            draws=task["indices"],
        ):
            if not isinstance(found, str):
                arrays |= {f"{len(notes)}-{n}": array for n, array in enumerate(found)}
            notes.append([task["indices"][index], size, found if isinstance(found, str) else None])
        stream = io.BytesIO()
        text = np.frombuffer(json.dumps(notes).encode(), dtype=np.uint8)
        np.savez(stream, notes=text, **arrays)  # type: ignore[arg-type]
        return stream.getvalue()


def read_encoded(data: bytes) -> Iterator[Encoded]:
    """Read what `Encoder.chunk` gave."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        notes = json.loads(arrays["notes"].tobytes())
        for row, (index, size, fault) in enumerate(notes):
            found = tuple(arrays[f"{row}-{n}"] for n in range(2) if f"{row}-{n}" in arrays)
            yield index, (size[0], size[1]), found if fault is None else fault


class RayEncode:
    """`acseg.training.passes.encode_sources`, done by a cluster that sees the same pictures.

    Parameters
    ----------
    address : str
        As for `acseg.cluster.ray_pass.start_ray`.
    """

    def __init__(self, address: str = "auto") -> None:
        self._address = address

    def __call__(
        self,
        model: ACSeg,
        sources: Sequence[Source],
        encode: Encode,
        *,
        only: Sequence[int],
        known: Callable[[int], Size | None],
    ) -> Iterator[Encoded]:
        """Give the arrays of each picture that was to do, as they come."""
        tasks = []
        for chunk, sizes in unfinished_chunks(only, known):
            task = {
                "indices": list(chunk),
                "sources": [_row(sources[index]) for index in chunk],
                "known": sizes,
                "tokens": encode.count if isinstance(encode, TokenSample) else None,
            }
            tasks.append({"task": json.dumps(task)})
        if not tasks:
            return
        for data in run_tasks(Encoder, pack(model), tasks, self._address):
            yield from read_encoded(data)


def _row(source: Source) -> list[Any]:
    return [str(source.path.absolute()), source.relative, source.window]
