"""Segmenting one large picture: tiles of it, one set of concepts for the whole, bounded memory.

1. A bounded sample of tiles gives a bounded sample of tokens, which are divided as the tokens of
   any picture are.
2. Every tile's tokens are scored against these concepts by cosine. Where tiles overlap the scores
   are blended, so that there is one grid of scores and no seam in it.
3. The labels are drawn from that grid, a band of rows after the other.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acseg.backbone.features import Features
from acseg.classes.ids import BACKGROUND
from acseg.classes.regions import Regions
from acseg.concepts.assignment import concept_scores
from acseg.concepts.confidence import concept_confidence
from acseg.errors import ImageError
from acseg.images.batch import resize
from acseg.images.tiles import tile_side
from acseg.images.windows import Windows, overview
from acseg.model.drawing import NOT_FINITE
from acseg.model.pipeline import Concepts, Pipeline
from acseg.model.tile_drawing import Meter, draw_bands
from acseg.model.tile_layout import Layout, Tile, lay_tiles
from acseg.model.tile_scores import BlendedScores
from acseg.output.palette import VOID, palette
from acseg.output.png import PngWriter
from acseg.output.records import Segment

BATCH = 16  # tiles encoded at once
SAMPLE_TILES = 64  # tiles that the concepts come from
SAMPLE_TOKENS = 3072  # and tokens of them
OVERVIEW = 2048  # pixels of the long side of the small version

Progress = Callable[[str, int, int, str], None]
Classify = Callable[[Regions], tuple[NDArray[np.int64], NDArray[np.float32]]]


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a large picture became.

    Attributes
    ----------
    size : (int, int)
        Width and height in pixels.
    segments : tuple of Segment
    image, labels : (h, w, 3) uint8, (h, w) uint8
        A small version of the picture and of its label map.
    tree : dict or None
        The tree of its concepts, for JSON.
    """

    size: tuple[int, int]
    segments: tuple[Segment, ...]
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    tree: dict[str, Any] | None


@dataclass(frozen=True)
class Table:
    """What is drawn for each part (R,), and how sure each label is."""

    labels: NDArray[np.uint8]
    confidence: Mapping[int, float]
    names: Mapping[int, str]

    def numbered(self, used: NDArray[np.uint8]) -> "Table":
        """Number the labels that are used 0, 1, ..., in their order."""
        kept = np.unique(used).tolist()
        place = {label: number for number, label in enumerate(kept)}
        labels = np.array([place.get(label, 0) for label in self.labels.tolist()], np.uint8)
        sure = {place[label]: c for label, c in self.confidence.items() if label in place}
        return Table(labels, sure, self.names)


def segment_large(
    pipeline: Pipeline,
    windows: Windows,
    path: Path,
    *,
    classify: Classify | None = None,
    background: bool = False,
    names: Mapping[int, str] | None = None,
    progress: Progress = lambda task, done, of, note: None,
) -> Drawn:
    """Segment or classify a picture in tiles, and write its label map.

    Memory does not grow with the picture, but for one row of tiles across its width.

    Parameters
    ----------
    pipeline : Pipeline
        Its settings say how large a tile is (`tile`).
    windows : Windows
        The picture.
    path : Path
        The label map to write: an index PNG of the picture's size, whole or not at all. Scores are
        kept in a nameless file beside it meanwhile, 4 n bytes for each token.
    classify : callable, optional
        Says class and confidence of regions; default: concepts are drawn.
    background : bool
        Whether class 0 is the background, which has no confidence.
    names : mapping of class id to str, optional
    progress : callable
        Told (task, tiles done, of, note).

    Raises
    ------
    ValueError
        If classes are told apart by crops, which tiles do not have.
    Exception
        Nearly any, where the file is broken; OSError where the result cannot be written.
    """
    if classify is not None and pipeline.settings.classifying.descriptor == "crop":
        raise ValueError("large pictures need classes of mean tokens, not of crops")
    path.parent.mkdir(parents=True, exist_ok=True)
    layout = layout_for(pipeline, windows)
    concepts, g = find_concepts(pipeline, windows, layout), pipeline.settings.dividing.granularity
    vectors = concepts.division.means(g)  # (R, D)
    if classify is None:
        table = _concept_table(concepts, g)
    else:
        table = _class_table(concepts.leaves.regions(g), classify, background, names or {})
    tree = concepts.division.tree.to_dict() if classify is None else None
    with BlendedScores(layout, len(table.labels), folder=path.parent) as scores:
        count, done = len(layout.tops) * len(layout.lefts), 0
        for tiles, images in _batches(pipeline, windows, layout, list(layout.tiles())):
            grids = _scores(vectors, _encoded(pipeline, images).tokens)
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
        if classify is None:
            table = table.numbered(table.labels[owners])
        while True:  # once, but where a concept owns tokens and yet no pixel
            meter = Meter(windows.height, windows.width, small)
            with PngWriter(path, windows.height, windows.width, _colours()) as png:
                for top, places in draw_bands(scores, owners):
                    labels = table.labels[owners][places]
                    meter.add(top, labels)
                    png.write(labels)
            if classify is not None or len(meter.found) == len(set(table.labels[owners])):
                break
            owners = [owner for owner in owners if table.labels[owner] in meter.found]
            table = table.numbered(table.labels[owners])
    segments = meter.segments(dict(table.confidence), dict(table.names))
    size = (windows.width, windows.height)
    return Drawn(size, segments, overview(windows, small), meter.small, tree)


def layout_for(pipeline: Pipeline, windows: Windows) -> Layout:
    """Lay the tiles of a picture as settings and backbone need them."""
    backbone, how = pipeline.backbone, pipeline.settings.encoding
    side = max(1, round(how.side / backbone.patch)) * backbone.patch
    cells, _ = backbone.grid_of(side, side)
    return lay_tiles(
        windows.height,
        windows.width,
        tile=tile_side(how.tile or "auto", how.side),
        cells=cells,
        multiple=backbone.patch // backbone.stride,
    )


def find_concepts(pipeline: Pipeline, windows: Windows, layout: Layout) -> Concepts:
    """Divide a sample of the whole picture's tokens."""
    sample = _sample(pipeline, layout)
    random = np.random.default_rng(pipeline.settings.seed)
    each = max(1, SAMPLE_TOKENS // len(sample))
    tokens, attention = [], []
    for tiles, images in _batches(pipeline, windows, layout, sample):
        features = _encoded(pipeline, images)
        for i in range(len(tiles)):
            some = np.sort(random.permutation(features.tokens.shape[1])[:each])
            tokens.append(features.tokens[i, some])
            attention.append(features.attention[i, some])
    drawn = torch.cat(tokens)[None]  # (1, S, D)
    line = Features(drawn, (1, drawn.shape[1]), torch.cat(attention)[None])
    with torch.inference_mode():
        vectors = pipeline.generated(drawn)
        return pipeline.divide(line, 0, None if vectors is None else vectors[0], grid=False)


def _concept_table(concepts: Concepts, granularity: float) -> Table:
    part = concepts.division.tree.cut(granularity)
    sure = concept_confidence(concepts.part_scores(part)).cpu().tolist()
    confidence = {n: round(c, 4) for n, c in enumerate(sure)}
    return Table(np.arange(len(sure), dtype=np.uint8), confidence, {})


def _class_table(
    regions: Regions, classify: Classify, background: bool, names: Mapping[int, str]
) -> Table:
    ids, sure = classify(regions)
    size = regions.size.cpu().numpy()
    confidence = {
        int(c): round(float(np.average(sure[ids == c], weights=size[ids == c])), 4)
        for c in np.unique(ids)
        if not (background and c == BACKGROUND)
    }
    return Table(ids.astype(np.uint8), confidence, names)


def _sample(pipeline: Pipeline, layout: Layout) -> list[Tile]:
    """Draw the tiles that the concepts come from, in their order."""
    tiles = list(layout.tiles())
    random = np.random.default_rng(pipeline.settings.seed)
    return [tiles[i] for i in np.sort(random.permutation(len(tiles))[:SAMPLE_TILES])]


def _batches(
    pipeline: Pipeline, windows: Windows, layout: Layout, tiles: list[Tile]
) -> Iterator[tuple[list[Tile], Tensor]]:
    """Read tiles, resized to what the backbone takes: (b, 3, h, w) in 0..1."""
    stride = pipeline.backbone.stride
    size = layout.high * stride, layout.wide * stride
    for first in range(0, len(tiles), BATCH):
        some = tiles[first : first + BATCH]
        yield some, torch.stack([resize(windows.read(*t.window), size) for t in some])


def _encoded(pipeline: Pipeline, images: Tensor) -> Features:
    features = pipeline.encode(images)
    if not bool(features.finite().all()):
        raise ImageError(NOT_FINITE)
    return features


@torch.inference_mode()
def _scores(vectors: Tensor, tokens: Tensor) -> Tensor:
    """Score tokens (B, N, D) against parts (R, D): (B, N, R)."""
    return concept_scores(tokens, vectors.expand(len(tokens), -1, -1))


def _colours() -> NDArray[np.uint8]:
    return np.concatenate([palette(VOID), np.zeros((1, 3), np.uint8)])  # void is black
