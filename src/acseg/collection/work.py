"""From batches of pictures to written files: what one machine does, and each of many.

Nothing here knows where OUT is, what was done before, or how many machines there are.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from torch import Tensor

from acseg.errors import DataError, ImageError
from acseg.images.georeference import pixel_area
from acseg.images.stream import WORKERS, Picture, Size, stream_pictures
from acseg.images.walk import Source
from acseg.model import ACSeg
from acseg.model.acseg import Draw
from acseg.output.label_png import encode_labels
from acseg.output.manifest import Entry
from acseg.output.names import leaves_of, overlay_of
from acseg.output.overlay import encode_overlay
from acseg.output.records import Kind, record_line

BATCH = 16  # pictures encoded at once

Put = Callable[[str, bytes], object]
"""Writes a file whole or not at all, by its name in OUT; raises OSError where it cannot."""


@dataclass(frozen=True)
class Place:
    """Where a picture belongs: its label map below labels/, and its file, seen from OUT."""

    name: str
    source: str


class Worker:
    """A model at work: images in, label maps and overlays written, entries out.

    Parameters
    ----------
    model : ACSeg
    kind : "concepts" or "classes"
    key : str
        The model's fingerprint, kept in each entry.
    put : callable
        Writes a file.
    overlays : bool
        Whether overlays are written too.
    """

    def __init__(
        self, model: ACSeg, *, kind: Kind, key: str, put: Put, overlays: bool = True
    ) -> None:
        self.model, self.kind, self.key = model, kind, key
        self._put, self.overlays = put, overlays

    def think(self, images: Tensor) -> list[Draw]:
        """Run the model on a batch (B, 3, h, w), and leave the drawing to other threads."""
        later = self.model.segment_later if self.kind == "concepts" else self.model.predict_later
        return later(images)

    def write(self, picture: Picture, draw: Draw, place: Place) -> Entry:
        """Draw one picture and write its files; in any thread."""
        source = picture.source
        try:
            result = draw(picture.image)
        except ImageError as error:  # its features are not finite
            return Entry.failed(source.relative, str(error), kind=self.kind)
        labels = f"labels/{place.name}"
        files = {labels: encode_labels(result.labels, result.palette)}
        if result.kind == "concepts":
            files[leaves_of(labels)] = encode_labels(result.leaves)
        if self.overlays:
            files[overlay_of(labels)] = encode_overlay(result.overlay())
        try:
            for name, data in files.items():
                self._put(name, data)
        except (DataError, OSError) as error:
            return Entry.failed(
                source.relative, f"cannot write its result: {error}", kind=self.kind
            )
        record = result.record(source.relative, labels=labels, source=place.source)
        return Entry(
            source.relative,
            record_line(replace(record, pixel_area=pixel_area(source.path))),
            model=self.key,
            stamp=picture.stamp,
            source=place.source,
            size=(picture.image.shape[0], picture.image.shape[1]),
            files={name: len(data) for name, data in files.items()},
        )


def work(
    worker: Worker,
    sources: Sequence[Source],
    place: Callable[[Source], Place],
    *,
    only: Sequence[int] | None = None,
    known: Callable[[int], Size | None] = lambda index: None,
    threads: int = WORKERS,
) -> Iterator[tuple[int, Entry]]:
    """Read, think and write, all at once.

    Threads decode the pictures to come while the model sees a batch, and others draw and write
    those before. Which pictures share a batch depends on the list alone; one that is cut at
    multiples of `acseg.images.stream.CHUNK` gives the same bytes piece by piece.

    Parameters
    ----------
    worker : Worker
    sources : sequence of Source
    place : callable
        Says where a picture belongs.
    only, known : optional
        As for `acseg.images.stream.stream_pictures`.
    threads : int
        That decode, and as many that write; 1 to 8.

    Yields
    ------
    index, entry : int, Entry
        Of each picture that was to do, as it is done.
    """
    model = worker.model
    failed: deque[tuple[int, Entry]] = deque()

    def note(index: int, source: Source, reason: str) -> None:
        failed.append((index, Entry.failed(source.relative, reason, kind=worker.kind)))

    stream = stream_pictures(
        sources,
        side=model.pipeline.side,
        multiple=model.pipeline.backbone.patch,
        batch=BATCH,
        failed=note,
        only=only,
        known=known,
        reading=model.settings.encoding.reading,
        workers=threads,
    )
    waiting: deque[tuple[int, Future[Entry]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for pictures, images in stream:
            for picture, draw in zip(pictures, worker.think(images), strict=True):
                if not picture.again:
                    future = pool.submit(worker.write, picture, draw, place(picture.source))
                    waiting.append((picture.index, future))
            while failed:
                yield failed.popleft()
            while waiting and (len(waiting) > BATCH or waiting[0][1].done()):
                index, future = waiting.popleft()
                yield index, future.result()
        yield from failed
        while waiting:
            index, future = waiting.popleft()
            yield index, future.result()
