"""Pictures as they come: read ahead by threads, resized, and batched with others of their shape.

Which pictures share a batch depends on the list of sources and on their sizes alone, never on
what was done by an earlier call or on the speed of the disk: a matrix product rounds otherwise in
a batch of another size, and a pass that was killed and went on is to give the same bytes as one
that was not.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from acseg.errors import ImageError
from acseg.images.bands import PLAIN, Reading
from acseg.images.batch import fitted_size, to_tensor
from acseg.images.tiles import read_source
from acseg.images.walk import Source

CHUNK = 128  # no batch reaches over the bounds of so many sources
WAITING = 2**29  # bytes of pictures at their full size that wait for others of their shape
WORKERS = max(2, min(8, os.cpu_count() or 1))

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture that was read.

    Attributes
    ----------
    index : int
        Its place among the sources.
    source : Source
    image : (H, W, 3) uint8
    stamp : str
        What its file was when it was read; see `stamp`.
    again : bool
        Whether it was done before and only fills the batch.
    """

    index: int
    source: Source
    image: np.ndarray
    stamp: str = ""
    again: bool = False


@dataclass
class _Item:
    """A picture on its way into a batch; one that was done before is not read yet."""

    index: int
    size: Size
    picture: Picture | None = None
    tensor: Tensor | None = None


def stamp(source: Source) -> str:
    """Tell one state of a file from another by its size and time; empty if it is not there."""
    try:
        state = os.stat(source.path)
    except OSError:
        return ""
    return f"{state.st_size}-{state.st_mtime_ns}"


def unfinished_chunks(
    places: Sequence[int], known: Callable[[int], Size | None]
) -> Iterator[tuple[Sequence[int], list[Size | None]]]:
    """Cut the pictures that take part into chunks, and pass over those where all are done.

    Parameters
    ----------
    places : sequence of int
        Indices that take part.
    known : callable
        As for `stream_pictures`.

    Yields
    ------
    chunk, sizes : sequence of int, list of (height, width) or None
    """
    for first in range(0, len(places), CHUNK):
        chunk = places[first : first + CHUNK]
        sizes = [known(index) for index in chunk]
        if None in sizes:
            yield chunk, sizes


def stream_pictures(
    sources: Sequence[Source],
    *,
    side: int,
    multiple: int,
    batch: int,
    failed: Callable[[int, Source, str], None],
    only: Sequence[int] | None = None,
    known: Callable[[int], Size | None] = lambda index: None,
    reading: Reading = PLAIN,
    workers: int = WORKERS,
) -> Iterator[tuple[list[Picture], Tensor]]:
    """Read pictures and hand them out in batches of one shape, few batches in memory at once.

    Parameters
    ----------
    sources : sequence of Source
    side, multiple : int
        As in `acseg.images.batch.to_tensor`.
    batch : int
        Pictures in a batch at most; 4 to 64.
    failed : callable
        Told (index, source, reason) of each picture that cannot be read.
    only : sequence of int, optional
        Indices that take part. Default: all.
    known : callable, optional
        Gives the size (height, width) of a picture that is done already, and None for one to do.
        A batch of which all are done is passed over and nothing of it read; where one is to do,
        the others are read too, so that the batch is the same as ever.
    reading : Reading
        Which bands are read, and how values of more than 8 bits become 8.
    workers : int
        Threads that decode; 1 to 8.

    Yields
    ------
    pictures, tensors : list of Picture, (b, 3, h, w) float32 in 0..1
    """
    places = range(len(sources)) if only is None else only

    def read(index: int) -> tuple[Picture, Tensor] | ImageError:
        source = sources[index]
        state = stamp(source)
        try:
            image = read_source(source, reading)
            tensor = to_tensor(image, side=side, multiple=multiple)
        except ImageError as error:
            return error
        return Picture(index, source, image, state), tensor

    def note(index: int, error: ImageError) -> None:
        source = sources[index]
        failed(index, source, str(error).removeprefix(f"{source.relative}: "))

    def items(results: Iterable[tuple[int, Size | None, Future | None]]) -> Iterator[_Item]:
        for index, size, future in results:
            result = None if future is None else future.result()
            if isinstance(result, ImageError):
                note(index, result)
            elif result is not None:
                picture, tensor = result
                yield _Item(index, picture.image.shape[:2], picture, tensor)
            elif size is not None:
                yield _Item(index, size)

    def complete(group: list[_Item], pool: ThreadPoolExecutor) -> list[_Item]:
        """Read those of a batch that were done before; leave out one that changed meanwhile."""
        futures = [(item, pool.submit(read, item.index)) for item in group if item.picture is None]
        for item, future in futures:
            result = future.result()
            if isinstance(result, ImageError):
                note(item.index, result)
            elif result[0].image.shape[:2] != item.size:
                note(item.index, ImageError("changed while it was read; give the command again"))
            else:
                item.picture, item.tensor = replace(result[0], again=True), result[1]
        return [item for item in group if item.picture is not None]

    pool = ThreadPoolExecutor(workers)
    try:
        results = _read_ahead(pool, places, read, known, workers, workers + batch)
        for start in range(0, len(places), CHUNK):
            chunk = islice(results, min(CHUNK, len(places) - start))
            for group in like_shaped(items(chunk), side=side, multiple=multiple, batch=batch):
                if all(item.picture is None for item in group):
                    continue
                whole = complete(group, pool)
                pictures = [item.picture for item in whole if item.picture is not None]
                yield pictures, torch.stack([i.tensor for i in whole if i.tensor is not None])
    finally:
        pool.shutdown(cancel_futures=True)


def like_shaped(
    items: Iterable[_Item], *, side: int, multiple: int, batch: int
) -> Iterator[list[_Item]]:
    """Group pictures whose tensors have one shape; nothing is padded or cropped.

    A group goes when it holds `batch` pictures; the largest one also when more than `WAITING`
    bytes wait; the rest at the end, in the order in which their shapes were first seen.
    """
    groups: dict[Size, list[_Item]] = {}
    held = 0
    for item in items:
        shape = fitted_size(*item.size, side=side, multiple=multiple)
        groups.setdefault(shape, []).append(item)
        held += _bytes(item)
        if len(groups[shape]) < batch:
            if held <= WAITING:
                continue
            shape = max(groups, key=lambda s: sum(map(_bytes, groups[s])))
        group = groups.pop(shape)
        held -= sum(map(_bytes, group))
        yield group
    yield from groups.values()


def _bytes(item: _Item) -> int:
    return 3 * item.size[0] * item.size[1]


def _read_ahead(
    pool: ThreadPoolExecutor,
    places: Iterable[int],
    read: Callable[[int], tuple[Picture, Tensor] | ImageError],
    known: Callable[[int], Size | None],
    least: int,
    most: int,
) -> Iterator[tuple[int, Size | None, Future | None]]:
    """Give (index, size, None) of pictures that are known and (index, None, reading) of others.

    `most` are read ahead, fewer where pictures are so large that they would fill the memory.
    """
    ahead: deque[tuple[int, Size | None, Future | None]] = deque()
    rest = iter(places)
    room = least
    while True:
        for index in islice(rest, max(0, room - len(ahead))):
            size = known(index)
            ahead.append((index, size, None if size else pool.submit(read, index)))
        if not ahead:
            return
        index, size, future = ahead.popleft()
        result = None if future is None else future.result()
        if isinstance(result, tuple):
            room = max(least, min(most, WAITING // result[0].image.nbytes))
        del result
        yield index, size, future
