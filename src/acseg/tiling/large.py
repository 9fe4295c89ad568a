"""Segmenting one large picture: tiles of it, one set of concepts for the whole, bounded memory.

1. A bounded sample of tiles gives a bounded sample of pixels; the generator turns them into the
   concepts of the whole picture, as it does with the pixels of any picture.
2. For `predict`, the same tiles say which class each concept is.
3. Every tile's pixels are scored against these concepts by cosine. Where tiles overlap the scores
   are blended, so that there is one grid of scores and no seam in it.
4. The labels are drawn from that grid, a band of rows after the other.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acseg.backbone.features import Features
from acseg.classes.descriptors import region_sums
from acseg.classes.foreground import split_foreground
from acseg.classes.ids import BACKGROUND
from acseg.classes.regions import find_regions
from acseg.concepts.assignment import assign, concept_scores
from acseg.concepts.confidence import concept_confidence
from acseg.concepts.ground import merge_thresholds, plain_thresholds
from acseg.concepts.lloyd import lloyd_rounds
from acseg.concepts.merging import merge_alike, merge_scores
from acseg.drawing import NOT_FINITE, Conceptualized
from acseg.errors import ImageError
from acseg.images.batch import fitted_size, resize
from acseg.images.tiles import tile_side
from acseg.images.windows import Windows, overview
from acseg.output.palette import VOID, palette
from acseg.output.png import PngWriter
from acseg.output.records import Kind, Segment
from acseg.tiling.draw import Meter, draw_bands
from acseg.tiling.layout import Layout, Tile, lay_tiles
from acseg.tiling.scores import BlendedScores

if TYPE_CHECKING:
    from acseg.model import ACSeg

BATCH = 16  # tiles encoded at once
SAMPLE_TILES = 64  # tiles that the concepts come from
SAMPLE_PIXELS = 4096  # and pixels of them
OVERVIEW = 2048  # px of the long side of the small version

Progress = Callable[[str, int, int, str], None]


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a large picture became.

    Attributes
    ----------
    size : (int, int)
        Width and height in px.
    segments : tuple of Segment
    image, labels : (h, w, 3) uint8, (h, w) uint8
        A small version of the picture and of its label map.
    """

    size: tuple[int, int]
    segments: tuple[Segment, ...]
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Concepts:
    """The concepts of a picture: vectors (1, k, D), which became one (1, k), which take part (k,).

    `labels` and `confidence` say for `predict` which class each concept is, and how surely.
    """

    vectors: Tensor
    group: Tensor
    alive: Tensor
    confidence: NDArray[np.float32]
    labels: NDArray[np.int64] | None = None


def segment_large(
    model: "ACSeg",
    windows: Windows,
    path: Path,
    *,
    kind: Kind = "concepts",
    progress: Progress = lambda task, done, of, note: None,
) -> Drawn:
    """Segment or classify a picture in tiles, and write its label map.

    Memory does not grow with the picture, but for one row of tiles across its width.

    Parameters
    ----------
    model : ACSeg
        Its settings say how large a tile is (`tile`).
    windows : Windows
        The picture.
    path : Path
        The label map to write: an index PNG of the picture's size, whole or not at all. Scores are
        kept in a nameless file beside it meanwhile, 4 k bytes for each cell.
    kind : "concepts" or "classes"
    progress : callable
        Told (task, tiles done, of, note).

    Raises
    ------
    Exception
        Nearly any, where the file is broken; OSError where the result cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    layout = layout_for(model, windows)
    concepts = find_concepts(model, windows, layout)
    if kind == "classes":
        concepts = _classified(model, windows, layout, concepts)
    with BlendedScores(layout, len(concepts.alive), folder=path.parent) as scores:
        count, done = len(layout.tops) * len(layout.lefts), 0
        for tiles, images in _batches(model, windows, layout, list(layout.tiles())):
            grids = _scores(concepts, _encoded(model, images).tokens)
            for tile, grid in zip(tiles, grids, strict=True):
                cells = grid.unflatten(0, (layout.high, layout.wide)).cpu().numpy()
                scores.add(tile.row, tile.column, cells)
            done += len(tiles)
            progress("reading tiles", done, count, "")
        scores.finish()
        long = max(windows.height, windows.width)
        scale = min(1.0, OVERVIEW / long)
        small = max(1, round(windows.height * scale)), max(1, round(windows.width * scale))
        owners = np.flatnonzero(scores.owned).tolist()
        while True:  # once, but where a concept owns cells and yet no px
            meter = Meter(windows.height, windows.width, small)
            table = _table(concepts, owners)
            pixels = np.zeros(len(owners), np.int64)  # of each concept
            with PngWriter(path, windows.height, windows.width, _colours()) as png:
                for top, places in draw_bands(scores, owners):
                    labels = table[places]
                    pixels += np.bincount(places.ravel(), minlength=len(owners))
                    meter.add(top, labels)
                    png.write(labels)
            if kind == "classes" or len(meter.found) == len(owners):
                break
            owners = [owners[place] for place in meter.found]
    segments = meter.segments(_confidence(model, concepts, owners, pixels), _names(model, kind))
    return Drawn((windows.width, windows.height), segments, overview(windows, small), meter.small)


def layout_for(model: "ACSeg", windows: Windows) -> Layout:
    """Lay the tiles of a picture as the model's settings and backbone need them."""
    backbone = model.backbone
    side = max(1, round(model.side / backbone.patch)) * backbone.patch
    cells, _ = backbone.grid_of(side, side)
    return lay_tiles(
        windows.height,
        windows.width,
        tile=tile_side(model.settings.tile or "auto", model.side),
        cells=cells,
        multiple=backbone.patch // backbone.stride,
    )


def find_concepts(model: "ACSeg", windows: Windows, layout: Layout) -> Concepts:
    """Generate the concepts of the whole picture from a sample of its pixels."""
    sample = _sample(model, layout)
    random = np.random.default_rng(model.settings.seed)
    each = max(1, SAMPLE_PIXELS // len(sample))
    drawn = []
    for tiles, images in _batches(model, windows, layout, sample):
        pixels = _encoded(model, images).tokens  # (b, N, D)
        for i in range(len(tiles)):
            some = np.sort(random.permutation(pixels.shape[1])[:each])
            drawn.append(pixels[i, some])
    pixels = torch.cat(drawn)[None]  # (1, S, D)
    with torch.inference_mode():
        vectors = model._generator()(pixels)
        vectors = lloyd_rounds(pixels, vectors, model.settings.rounds or 0)  # (1, k, D)
        scores = concept_scores(pixels, vectors)  # (1, S, k)
        scores, group = merge_alike(pixels, scores, _merge_threshold(model, windows))
    alive = assign(scores)[0].bincount(minlength=vectors.shape[1]) > 0  # (k,)
    return Concepts(vectors, group, alive, concept_confidence(scores[0]).cpu().numpy())


def _merge_threshold(model: "ACSeg", windows: Windows) -> float | Tensor:
    """Say above which affinity concepts merge: the layout is that of the picture made small."""
    limit, ground = plain_thresholds(model.settings.merge, model.settings.ground)
    if not ground:
        return limit
    size = fitted_size(
        windows.height, windows.width, side=model.side, multiple=model.backbone.patch
    )
    features = _encoded(model, resize(overview(windows, size), size)[None])
    return merge_thresholds(features.tokens, features.grid, limit, ground)


def _classified(model: "ACSeg", windows: Windows, layout: Layout, concepts: Concepts) -> Concepts:
    """Say which class each concept is, from its regions in the sample of tiles.

    A region of a tile is described as a region of a picture is. A concept's descriptor is the mean
    over its regions, each counted by its pixels; attention is summed (or averaged) over them all.
    """
    k, dim = concepts.vectors.shape[1:]
    device = concepts.vectors.device
    descriptors, attention = torch.zeros(k, dim, device=device), torch.zeros(k, 1, device=device)
    counts = torch.zeros(k, device=device)
    for _, images in _batches(model, windows, layout, _sample(model, layout)):
        features = _encoded(model, images)
        scores = _scores(concepts, features.tokens)
        regions = find_regions(assign(scores).unflatten(1, features.grid))
        vectors = concepts.vectors.expand(len(images), -1, -1)
        found = Conceptualized(features, vectors, scores, regions)
        size = torch.bincount(regions.ids.flatten(), minlength=len(regions)).float()  # (R,)
        described = model.describe(found, images) * size[:, None]
        descriptors += region_sums(described, regions.label, k)
        looked = region_sums(features.attention.reshape(-1, 1), regions.ids.flatten(), len(regions))
        attention += region_sums(looked, regions.label, k)
        counts += region_sums(size[:, None], regions.label, k)[:, 0]
    there = (counts > 0) & concepts.alive
    rows = there.nonzero()[:, 0]  # (R,)
    vectors = torch.nn.functional.normalize(descriptors[rows], dim=1)
    foreground = None
    if model.settings.background:
        looked = attention[rows, 0]
        if model.settings.foreground == "mean":
            looked = looked / counts[rows]
        foreground = split_foreground(looked, torch.zeros_like(rows))
    ids, sure = model.classify(vectors, foreground)
    labels = np.full(k, VOID, np.int64)
    confidence = np.zeros(k, np.float32)
    labels[rows.cpu().numpy()], confidence[rows.cpu().numpy()] = ids, sure
    return Concepts(concepts.vectors, concepts.group, there, confidence, labels)


def _sample(model: "ACSeg", layout: Layout) -> list[Tile]:
    """Draw the tiles that the concepts come from, in their order."""
    tiles = list(layout.tiles())
    random = np.random.default_rng(model.settings.seed)
    return [tiles[i] for i in np.sort(random.permutation(len(tiles))[:SAMPLE_TILES])]


def _batches(
    model: "ACSeg", windows: Windows, layout: Layout, tiles: list[Tile]
) -> Iterator[tuple[list[Tile], Tensor]]:
    """Read tiles, resized to what the backbone takes: (b, 3, h, w) in 0..1."""
    stride = model.backbone.stride
    size = layout.high * stride, layout.wide * stride
    for first in range(0, len(tiles), BATCH):
        some = tiles[first : first + BATCH]
        yield some, torch.stack([resize(windows.read(*t.window), size) for t in some])


def _encoded(model: "ACSeg", images: Tensor) -> Features:
    features: Features = model.backbone(images)
    if not bool(features.finite().all()):
        raise ImageError(NOT_FINITE)
    return features


@torch.inference_mode()
def _scores(concepts: Concepts, pixels: Tensor) -> Tensor:
    """Score pixels (B, N, D) against the concepts that take part; the others are at -3."""
    scores = concept_scores(pixels, concepts.vectors.expand(len(pixels), -1, -1))
    scores = merge_scores(scores, concepts.group.expand(len(pixels), -1))
    return scores.masked_fill(~concepts.alive, -3.0)  # (B, N, k)


def _table(concepts: Concepts, owners: list[int]) -> NDArray[np.uint8]:
    """Say which label each place of `owners` becomes."""
    labels = np.arange(len(owners)) if concepts.labels is None else concepts.labels[owners]
    return labels.astype(np.uint8)


def _confidence(
    model: "ACSeg", concepts: Concepts, owners: list[int], pixels: NDArray[np.int64]
) -> dict[int, float]:
    """Say how sure each label is; of several concepts of one class, the mean over their pixels."""
    labels, sure = _table(concepts, owners), concepts.confidence[owners]
    weights = np.maximum(pixels, 1)
    found = {
        int(c): round(float(np.average(sure[labels == c], weights=weights[labels == c])), 4)
        for c in np.unique(labels)
    }
    if concepts.labels is not None and model.settings.background:
        found.pop(BACKGROUND, None)  # it has no centre that it could be near
    return found


def _names(model: "ACSeg", kind: Kind) -> dict[int, str]:
    return dict(model.names_) if kind == "classes" else {}


def _colours() -> NDArray[np.uint8]:
    return np.concatenate([palette(VOID), np.zeros((1, 3), np.uint8)])  # void is black
