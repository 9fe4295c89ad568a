"""The two passes of `fit` over a collection: pixels to train on, and regions to cluster."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from acseg.drawing import NOT_FINITE
from acseg.images.stream import Picture, stream_pictures
from acseg.images.walk import Source
from acseg.training.store import Store

if TYPE_CHECKING:
    from acseg.model import ACSeg

log = logging.getLogger("acseg")

BATCH = 16  # pictures encoded at once
DESCRIBED = 50_000  # pictures whose regions are described at most: their classes are those of all
NONE, BACKGROUND, FOREGROUND = 0, 1, 2  # what a prototype is in a picture

Progress = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Pass:
    """What both passes need.

    Attributes
    ----------
    model : ACSeg
    sources : sequence of Source
    state : Path
        Folder of the stores.
    key : dict
        What the state depends on.
    failed : dict of str to str
        Gets the reason of each picture that cannot be read.
    progress : callable
        Told (task, done, of, note).
    """

    model: "ACSeg"
    sources: Sequence[Source]
    state: Path
    key: dict[str, Any]
    failed: dict[str, str]
    progress: Progress


def cache_pixels(work: Pass) -> Store:
    """Cache a sample of each picture's pixels, of as many pictures as the budget allows."""
    settings, backbone, sources = work.model.settings, work.model.backbone, work.sources
    cells = max(1, work.model.side // backbone.patch) * (backbone.patch // backbone.stride)
    sample = min(settings.sample, cells * cells)
    room = int(settings.cache_gigabytes * 1e9 / (sample * backbone.dim * 2))
    chosen = draw_places(len(sources), room, settings.seed)
    if len(chosen) < len(sources):
        log.warning(
            "%d of %d pictures fit the cache of %.1f GB and train the generator",
            *(len(chosen), len(sources), settings.cache_gigabytes),
        )
    shape = (len(chosen), sample, backbone.dim)
    store = Store(work.state / "pixels", shape, np.float16, work.key)
    for rows, pictures, images in _batches(work, chosen, store, "reading pixels"):
        encoded = backbone(images)
        features, good = encoded.pixels, encoded.finite().cpu().numpy()  # (b, N, D), (b,)
        some = np.stack(
            [_sample(settings.seed, p.index, features.shape[1], sample) for p in pictures]
        )
        index = torch.from_numpy(some).to(features.device)[..., None]  # (b, P, 1)
        kept = features.gather(1, index.expand(-1, -1, features.shape[2]))  # (b, P, D)
        for place, pixels in enumerate(kept.half().cpu().numpy()):
            if good[place]:
                store.put(rows[place], pixels)
            else:
                work.failed[pictures[place].source.relative] = NOT_FINITE
    return store


def describe(work: Pass) -> tuple[Store, Store]:
    """Describe the regions of the pictures: (M, k, D) descriptors, and (M, k) what each one is.

    M is the number of pictures, or `DESCRIBED` of them, drawn at random, where there are more.
    """
    model, concepts = work.model, work.model.settings.concepts
    chosen = draw_places(len(work.sources), DESCRIBED, model.settings.seed)
    if len(chosen) < len(work.sources):
        log.info("%d of %d pictures make the classes", len(chosen), len(work.sources))
    shape = (len(chosen), concepts, model.backbone.dim)
    descriptors = Store(work.state / "descriptors", shape, np.float16, work.key)
    kinds = Store(work.state / "kinds", shape[:2], np.uint8, work.key)
    for rows, pictures, images in _batches(work, chosen, kinds, "describing regions"):
        found = model.conceptualize(images)
        good = found.scores.isfinite().flatten(1).all(1).cpu().numpy()  # (b,)
        vectors = model.describe(found, images).cpu().numpy()  # (R, D)
        foreground = model.foreground(found)
        image, label = found.regions.image.cpu().numpy(), found.regions.label.cpu().numpy()
        kind = np.full(len(label), FOREGROUND, dtype=np.uint8)
        if foreground is not None:
            kind[~foreground.cpu().numpy()] = BACKGROUND
        described = np.zeros((len(rows), *shape[1:]), dtype=np.float16)  # (b, k, D)
        marks = np.full(described.shape[:2], NONE, dtype=np.uint8)  # (b, k)
        described[image, label], marks[image, label] = vectors, kind
        for place, row in enumerate(rows):
            if good[place]:
                descriptors.put(row, described[place])
                kinds.put(row, marks[place])
            else:
                work.failed[pictures[place].source.relative] = NOT_FINITE
    return descriptors, kinds


def draw_places(count: int, most: int, seed: int) -> np.ndarray:
    """Draw at most so many of 0..count-1, rising; at least one."""
    random = np.random.default_rng(seed)
    return np.sort(random.permutation(count)[: max(1, most)])


def _sample(seed: int, index: int, count: int, wanted: int) -> np.ndarray:
    """Draw pixels of a picture; some twice in a very long one, which is made smaller."""
    draw = np.random.default_rng((seed, index))
    return np.sort(np.resize(draw.permutation(count), wanted))


def _batches(
    work: Pass, chosen: np.ndarray, store: Store, task: str
) -> Iterator[tuple[list[int], list[Picture], Tensor]]:
    """Read the chosen pictures whose rows are not filled, in the batches in which all would come.

    Yields
    ------
    rows, pictures, images : list of int, list of Picture, (b, 3, h, w)
    """
    sizes = Store(work.state / "sizes", (len(work.sources), 2), np.int32, work.key)
    row_of = {int(place): row for row, place in enumerate(chosen)}

    def known(place: int) -> tuple[int, int] | None:
        if not store.filled[row_of[place]]:
            return None
        height, width = sizes.rows[place].tolist()
        return height, width

    def note(index: int, source: Source, reason: str) -> None:
        work.failed[source.relative] = reason

    done = len(store.present())
    model = work.model
    for pictures, images in stream_pictures(
        work.sources,
        side=model.side,
        multiple=model.backbone.patch,
        batch=BATCH,
        failed=note,
        only=[int(place) for place in chosen],
        known=known,
        reading=model.settings.reading,
    ):
        for picture in pictures:
            sizes.put(picture.index, picture.image.shape[:2])
        yield [row_of[p.index] for p in pictures], pictures, images
        done += sum(not picture.again for picture in pictures)
        work.progress(task, done, len(chosen), "")
