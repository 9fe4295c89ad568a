"""The two passes of `fit` over a collection: pixels to train on, and regions to cluster."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acseg.drawing import NOT_FINITE
from acseg.images.stream import Size, stream_pictures
from acseg.images.walk import Source
from acseg.training.store import Store

if TYPE_CHECKING:
    from acseg.model import ACSeg

log = logging.getLogger("acseg")

BATCH = 16  # pictures encoded at once
DESCRIBED = 50_000  # pictures whose regions are described at most: their classes are those of all
NONE, BACKGROUND, FOREGROUND = 0, 1, 2  # what a prototype is in a picture

Progress = Callable[[str, int, int, str], None]
Encoded = tuple[int, Size, tuple[NDArray[Any], ...] | str]
Encode = Callable[["ACSeg", Sequence[int], Tensor], list[tuple[NDArray[Any], ...] | None]]


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
    by : callable
        What encodes: this machine (`encode_sources`), or a cluster
        (`acseg.cluster.fit_pass.RayEncode`).
    """

    model: "ACSeg"
    sources: Sequence[Source]
    state: Path
    key: dict[str, Any]
    failed: dict[str, str]
    progress: Progress
    by: "Callable[..., Iterator[Encoded]]"


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
    for row, found in _go_over(work, chosen, store, "reading pixels", PixelSample(sample)):
        store.put(row, found[0])
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
    for row, found in _go_over(work, chosen, kinds, "describing regions", RegionTable(concepts)):
        descriptors.put(row, found[0])
        kinds.put(row, found[1])
    return descriptors, kinds


@dataclass(frozen=True)
class PixelSample:
    """Encode pictures and draw `count` pixels of each: one array (P, D) float16."""

    count: int

    def __call__(
        self, model: "ACSeg", indices: Sequence[int], images: Tensor
    ) -> list[tuple[NDArray[Any], ...] | None]:
        """Give the arrays of each picture of a batch, None where its features are not finite."""
        encoded = model.backbone(images)
        features, good = encoded.tokens, encoded.finite().cpu().numpy()  # (b, N, D), (b,)
        seed = model.settings.seed
        some = np.stack([_sample(seed, i, features.shape[1], self.count) for i in indices])
        index = torch.from_numpy(some).to(features.device)[..., None]  # (b, P, 1)
        kept = features.gather(1, index.expand(-1, -1, features.shape[2]))  # (b, P, D)
        pixels = kept.half().cpu().numpy()
        return [(pixels[i],) if good[i] else None for i in range(len(pixels))]


@dataclass(frozen=True)
class RegionTable:
    """Describe the regions of pictures: (k, D) float16, and (k,) uint8 what each prototype is."""

    concepts: int

    def __call__(
        self, model: "ACSeg", indices: Sequence[int], images: Tensor
    ) -> list[tuple[NDArray[Any], ...] | None]:
        """Give the arrays of each picture of a batch, None where its features are not finite."""
        found = model.conceptualize(images)
        good = found.scores.isfinite().flatten(1).all(1).cpu().numpy()  # (b,)
        vectors = model.describe(found, images).cpu().numpy()  # (R, D)
        foreground = model.foreground(found)
        image, label = found.regions.image.cpu().numpy(), found.regions.label.cpu().numpy()
        kind = np.full(len(label), FOREGROUND, dtype=np.uint8)
        if foreground is not None:
            kind[~foreground.cpu().numpy()] = BACKGROUND
        shape = (len(images), self.concepts)
        described = np.zeros((*shape, vectors.shape[1]), dtype=np.float16)  # (b, k, D)
        marks = np.full(shape, NONE, dtype=np.uint8)  # (b, k)
        described[image, label], marks[image, label] = vectors, kind
        return [(described[i], marks[i]) if good[i] else None for i in range(len(images))]


def draw_places(count: int, most: int, seed: int) -> np.ndarray:
    """Draw at most so many of 0..count-1, rising; at least one."""
    random = np.random.default_rng(seed)
    return np.sort(random.permutation(count)[: max(1, most)])


def _sample(seed: int, index: int, count: int, wanted: int) -> np.ndarray:
    """Draw pixels of a picture; some twice in a very long one, which is made smaller."""
    draw = np.random.default_rng((seed, index))
    return np.sort(np.resize(draw.permutation(count), wanted))


def encode_sources(
    model: "ACSeg",
    sources: Sequence[Source],
    encode: Encode,
    *,
    only: Sequence[int],
    known: Callable[[int], Size | None],
    draws: Sequence[int] | None = None,
) -> Iterator[Encoded]:
    """Read pictures in the batches in which all would come, and encode those that are to do.

    Parameters
    ----------
    model : ACSeg
    sources : sequence of Source
    encode : PixelSample or RegionTable
    only : sequence of int
        The sources that take part.
    known : callable
        Gives the size of a picture that is done, None for one to do.
    draws : sequence of int, optional
        The number that each source draws at random by; its place if None.

    Yields
    ------
    index, size, arrays : int, (int, int), tuple of arrays
        Of a picture; a text instead of the arrays where it failed.
    """
    failed: list[Encoded] = []

    def note(index: int, source: Source, reason: str) -> None:
        failed.append((index, (0, 0), reason))

    for pictures, images in stream_pictures(
        sources,
        side=model.side,
        multiple=model.backbone.patch,
        batch=BATCH,
        failed=note,
        only=only,
        known=known,
        reading=model.settings.reading,
    ):
        places = [p.index if draws is None else draws[p.index] for p in pictures]
        for picture, arrays in zip(pictures, encode(model, places, images), strict=True):
            size = picture.image.shape[0], picture.image.shape[1]
            if not picture.again:
                yield picture.index, size, NOT_FINITE if arrays is None else arrays
        yield from failed
        failed.clear()
    yield from failed


def _go_over(
    work: Pass, chosen: np.ndarray, store: Store, task: str, encode: Encode
) -> Iterator[tuple[int, tuple[NDArray[Any], ...]]]:
    """Encode the chosen pictures whose rows are not filled: row and arrays of each, as it comes."""
    sizes = Store(work.state / "sizes", (len(work.sources), 2), np.int32, work.key)
    row_of = {int(place): row for row, place in enumerate(chosen)}

    def known(place: int) -> Size | None:
        if not store.filled[row_of[place]]:
            return None
        height, width = sizes.rows[place].tolist()
        return height, width

    done = len(store.present())
    only = [int(place) for place in chosen]
    for index, size, found in work.by(work.model, work.sources, encode, only=only, known=known):
        if isinstance(found, str):
            work.failed[work.sources[index].relative] = found
            continue
        sizes.put(index, size)
        yield row_of[index], found
        done += 1
        work.progress(task, done, len(chosen), "")
