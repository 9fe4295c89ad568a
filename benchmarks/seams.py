"""Do tiles leave seams? Labels at tile borders against labels elsewhere, on real photographs.

    python benchmarks/seams.py ../shared/labelled/camvid/images --pictures 12 --tile 160

For each picture, the share of neighbouring pixels with different labels is counted across every
line between two columns (and two rows). A seam shows as more changes on the lines where tiles
begin and end than on the lines near by. Three ways are compared: tiles side by side without
overlap, tiles blended (what `acseg segment --tile` does), and each tile with concepts of its own.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acseg.images.read import read_image
from acseg.images.windows import ArrayWindows
from acseg.model import ACSeg
from acseg.output.label_png import read_labels
from acseg.tiling import layout as layout_module
from acseg.tiling.large import layout_for, segment_large
from acseg.tiling.layout import Layout

WAYS = (("own concepts", 0.0), ("side by side", 0.0), ("blended", 0.25))
NEAR = 6  # cells on each side of a border that it is compared with


def border_and_near(labels: NDArray, edges: set[int], cells: int) -> Iterator[tuple[float, float]]:
    """Share of changes at each border between columns, and at the borders of cells near by.

    Labels change between the middles of cells more than elsewhere, so like is compared with like.
    """
    changes = (labels[:, 1:] != labels[:, :-1]).mean(0)  # line i lies between columns i and i + 1
    width = labels.shape[1]

    def at(cell: int) -> float:
        place = round(cell * width / cells)
        return float(changes[max(0, place - 2) : place + 1].mean())

    for edge in sorted(edges):
        near = [edge + step for step in range(-NEAR, NEAR + 1)]
        inside = [cell for cell in near if cell not in edges and 0 < cell < cells]
        yield at(edge), float(np.mean([at(cell) for cell in inside]))


def measure(labels: NDArray, layout: Layout) -> list[tuple[float, float]]:
    """Both directions of one label map; borders are counted in cells."""
    down = {e for top in layout.tops for e in (top, top + layout.high)} - {0, layout.rows}
    across = {e for left in layout.lefts for e in (left, left + layout.wide)} - {0, layout.columns}
    return [
        *border_and_near(labels, across, layout.columns),
        *border_and_near(labels.T, down, layout.rows),
    ]


def alone(model: ACSeg, image: NDArray, layout: Layout) -> NDArray:
    """Each tile segmented as a picture of its own, and laid side by side."""
    labels = np.zeros(image.shape[:2], np.uint8)
    for tile in layout.tiles():
        top, left, height, width = tile.window
        part = (slice(top, top + height), slice(left, left + width))
        labels[part] = model.segment(image[part]).labels
    return labels


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--tile", type=int, default=160)
    told = parser.parse_args()
    model = ACSeg.load()
    model.settings = replace(model.settings, tile=told.tile)
    paths = sorted(told.folder.iterdir())
    paths = paths[:: max(1, len(paths) // told.pictures)][: told.pictures]
    images = [read_image(path) for path in paths]
    print(f"{len(images)} pictures, tiles of {told.tile} px")
    print("way                    at borders  near by  ratio  95 % of resamples")
    for way, overlap in WAYS:
        (layout_module.lay_tiles.__kwdefaults__ or {})["overlap"] = overlap
        found: list[tuple[float, float]] = []
        for image in images:
            windows = ArrayWindows(image)
            layout = layout_for(model, windows)
            if way == "own concepts":
                labels = alone(model, image, layout)
            else:
                with tempfile.TemporaryDirectory() as folder:
                    segment_large(model, windows, Path(folder) / "a.png")
                    labels = read_labels(Path(folder) / "a.png")
            found += measure(labels, layout)
        pairs = np.array(found)
        drawn = np.random.default_rng(0).integers(0, len(pairs), (2000, len(pairs)))
        ratios = pairs[drawn, 0].mean(1) / pairs[drawn, 1].mean(1)
        low, high = np.percentile(ratios, [2.5, 97.5])
        at, near = pairs.mean(0)
        print(f"{way:22} {at:10.4f}  {near:7.4f}  {at / near:5.2f}  {low:.2f}..{high:.2f}")


if __name__ == "__main__":
    main()
