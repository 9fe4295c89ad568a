"""Pictures as they come: read ahead by threads, resized, and batched with others of their shape."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from acseg.errors import ImageError
from acseg.images.batch import like_shaped, to_tensor
from acseg.images.read import read_image
from acseg.images.walk import Source

WAITING = 2  # batches of pictures that wait for others of their shape, each at its full size


@dataclass(frozen=True)
class Picture:
    """One picture that was read: its place among the sources, its source, (H, W, 3) uint8."""

    index: int
    source: Source
    image: np.ndarray


def stream_pictures(
    sources: Sequence[Source],
    *,
    side: int,
    multiple: int,
    batch: int,
    failed: Callable[[int, Source, str], None],
    only: Sequence[int] | None = None,
    workers: int = 2,
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
        Indices to read. Default: all.
    workers : int
        Threads that decode; 1 to 8.

    Yields
    ------
    pictures, tensors : list of Picture, (b, 3, h, w) float32 in 0..1
    """
    places = range(len(sources)) if only is None else only
    waiting: dict[int, Picture] = {}
    order: list[int] = []  # the index of each tensor handed to `like_shaped`

    def read(index: int) -> tuple[Picture, Tensor] | ImageError:
        try:
            image = read_image(sources[index].path, name=sources[index].relative)
            return Picture(index, sources[index], image), to_tensor(
                image, side=side, multiple=multiple
            )
        except ImageError as error:
            return error

    def tensors(pool: ThreadPoolExecutor) -> Iterator[Tensor]:
        ahead: deque[tuple[int, Future]] = deque()
        rest = iter(places)
        while True:
            while len(ahead) < workers + batch:
                index = next(rest, None)
                if index is None:
                    break
                ahead.append((index, pool.submit(read, index)))
            if not ahead:
                return
            index, future = ahead.popleft()
            result = future.result()
            if isinstance(result, ImageError):
                reason = str(result).removeprefix(f"{sources[index].relative}: ")
                failed(index, sources[index], reason)
                continue
            picture, tensor = result
            waiting[index] = picture
            order.append(index)
            yield tensor

    with ThreadPoolExecutor(workers) as pool:
        for numbers, stacked in like_shaped(tensors(pool), batch, waiting=WAITING):
            yield [waiting.pop(order[n]) for n in numbers], stacked
