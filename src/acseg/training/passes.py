"""The passes of `fit` over a collection: tokens to train on, and leaves to make classes of."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acseg.classes.regions import MOST_LEAVES, pack_leaves
from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.images.stream import Size, stream_pictures
from acseg.images.walk import Source
from acseg.model.drawing import NOT_FINITE
from acseg.model.pipeline import Pipeline
from acseg.model.settings import Settings
from acseg.training.store import Store

log = logging.getLogger("acseg")

BATCH = 16  # pictures encoded at once
DESCRIBED = 50_000  # pictures whose regions make the classes, at most
FACTS = 7  # numbers of a leaf besides its mean


class Model(Protocol):
    """What a fit needs of `acseg.ACSeg`."""

    generator_: AdaptiveConceptGenerator | None
    centres_: NDArray[np.float32] | None
    foreground_: str
    failed_: list[tuple[str, str]]

    @property
    def settings(self) -> Settings:
        """Complete settings."""

    @property
    def pipeline(self) -> Pipeline:
        """The chain from pictures to regions."""

    def save_pretrained(self, folder: Path, *, notes: dict[str, Any] | None = None) -> Any:
        """Write the model folder."""


Progress = Callable[[str, int, int, str], None]
Arrays = tuple[NDArray[Any], ...]
Encoded = tuple[int, Size, Arrays | str]
Encode = Callable[[Model, Sequence[int], Tensor], list[Arrays | None]]


@dataclass(frozen=True)
class Pass:
    """What a pass needs.

    Attributes
    ----------
    model : ACSeg
    sources : sequence of Source
    folder : Path
        Of the model.
    key : dict
        What the stores depend on.
    failed : dict of str to str
        Gets the reason of each picture that cannot be read.
    progress : callable
        Told (task, done, of, note).
    by : callable
        What encodes: this machine (`encode_sources`), or a cluster
        (`acseg.cluster.fit_pass.RayEncode`).
    """

    model: Model
    sources: Sequence[Source]
    folder: Path
    key: dict[str, Any]
    failed: dict[str, str]
    progress: Progress
    by: "Callable[..., Iterator[Encoded]]"


def cache_tokens(work: Pass) -> Store:
    """Cache a sample of each picture's tokens, of as many pictures as the budget allows."""
    model, sources = work.model, work.sources
    backbone, training = model.pipeline.backbone, model.settings.training
    cells = max(1, model.pipeline.side // backbone.patch) * (backbone.patch // backbone.stride)
    sample = min(training.sample, cells * cells)
    room = int(training.cache_gigabytes * 1e9 / (sample * backbone.dim * 2))
    chosen = draw_places(len(sources), room, model.settings.seed)
    if len(chosen) < len(sources):
        log.warning(
            "%d of %d pictures fit the cache of %.1f GB and train the generator",
            *(len(chosen), len(sources), training.cache_gigabytes),
        )
    shape = (len(chosen), sample, backbone.dim)
    store = Store(work.folder / "state" / "tokens", shape, np.float16, work.key)
    for row, found in _go_over(work, chosen, store, "reading tokens", TokenSample(sample)):
        store.put(row, found[0])
    return store


def describe(work: Pass) -> tuple[Store, Store]:
    """Describe the leaves of the pictures: (M, L, D) means, and (M, L, 7) facts.

    M is the number of pictures, or `DESCRIBED` of them, drawn at random, where there are more. The
    stores stay in the model folder, for other classes later.
    """
    model = work.model
    chosen = draw_places(len(work.sources), DESCRIBED, model.settings.seed)
    if len(chosen) < len(work.sources):
        log.info("%d of %d pictures make the classes", len(chosen), len(work.sources))
    shape = (len(chosen), MOST_LEAVES, model.pipeline.backbone.dim)
    regions = work.folder / "regions"
    means = Store(regions / "means", shape, np.float16, work.key)
    facts = Store(regions / "facts", (*shape[:2], FACTS), np.float32, work.key)
    for row, found in _go_over(work, chosen, facts, "describing regions", LeafTable()):
        means.put(row, found[0])
        facts.put(row, found[1])
    return means, facts


@dataclass(frozen=True)
class TokenSample:
    """Encode pictures and draw `count` tokens of each: one array (P, D) float16."""

    count: int

    def __call__(self, model: Model, indices: Sequence[int], images: Tensor) -> list[Arrays | None]:
        """Give the arrays of each picture of a batch, None where its features are not finite."""
        encoded = model.pipeline.encode(images)
        tokens, good = encoded.tokens, encoded.finite().cpu().numpy()  # (b, N, D), (b,)
        seed = model.settings.seed
        some = np.stack([_sample(seed, i, tokens.shape[1], self.count) for i in indices])
        index = torch.from_numpy(some).to(tokens.device)[..., None]  # (b, P, 1)
        kept = tokens.gather(1, index.expand(-1, -1, tokens.shape[2]))  # (b, P, D)
        drawn = kept.half().cpu().numpy()
        return [(drawn[i],) if good[i] else None for i in range(len(drawn))]


@dataclass(frozen=True)
class LeafTable:
    """Divide pictures and describe their leaves; see `acseg.classes.regions.pack_leaves`."""

    def __call__(self, model: Model, indices: Sequence[int], images: Tensor) -> list[Arrays | None]:
        """Give the arrays of each picture of a batch, None where its features are not finite."""
        pipeline = model.pipeline
        found = zip(pipeline.concepts(images), images, strict=True)
        return [None if c is None else pack_leaves(pipeline.leaves(c, image)) for c, image in found]


def draw_places(count: int, most: int, seed: int) -> np.ndarray:
    """Draw at most so many of 0..count-1, rising; at least one."""
    random = np.random.default_rng(seed)
    return np.sort(random.permutation(count)[: max(1, most)])


def _sample(seed: int, index: int, count: int, wanted: int) -> np.ndarray:
    """Draw tokens of a picture; some twice in a very long one, which is made smaller."""
    draw = np.random.default_rng((seed, index))
    return np.sort(np.resize(draw.permutation(count), wanted))


def encode_sources(
    model: Model,
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
    encode : TokenSample or LeafTable
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
        side=model.pipeline.side,
        multiple=model.pipeline.backbone.patch,
        batch=BATCH,
        failed=note,
        only=only,
        known=known,
        reading=model.settings.encoding.reading,
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
) -> Iterator[tuple[int, Arrays]]:
    """Encode the chosen pictures whose rows are not filled: row and arrays of each, as it comes."""
    shape = (len(work.sources), 2)
    sizes = Store(work.folder / "state" / "sizes", shape, np.int32, work.key)
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
