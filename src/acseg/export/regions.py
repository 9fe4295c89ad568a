"""The regions of a label map: one a class, or one for each part that hangs together."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from acseg.export.masks import RLE, mask_polygons, pack_runs
from acseg.export.source import labels_present
from acseg.output.palette import VOID

Instances = Literal["classes", "components"]


@dataclass(frozen=True)
class Region:
    """Number in the region map, label, area in pixels, box as left, top, width, height."""

    number: int
    label: int
    area: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class RegionMap:
    """Regions of a picture, and for each pixel (H, W) int32 the number of its own; 0 is void."""

    numbers: np.ndarray
    regions: list[Region]

    def polygons(self, region: Region) -> list[list[float]]:
        """Draw the outlines of a region; see `acseg.export.masks.mask_polygons`."""
        left, top, width, height = region.box
        part = self.numbers[top : top + height, left : left + width] == region.number
        shift = np.array([left, top], dtype=np.float64)
        return [
            (np.reshape(polygon, (-1, 2)) + shift).ravel().tolist()
            for polygon in mask_polygons(part)
        ]

    def run_lengths(self) -> dict[int, RLE]:
        """Encode all regions in COCO's run lengths: number -> RLE."""
        height, width = self.numbers.shape
        return {number: pack_runs(runs, height, width) for number, runs in self.runs("F")}

    def runs(self, order: Literal["C", "F"]) -> Iterator[tuple[int, np.ndarray]]:
        """Measure the runs of each region, in one pass over the picture.

        Parameters
        ----------
        order : "C" or "F"
            Along the rows or down the columns.

        Yields
        ------
        number, runs : int, (n,) integer
            Lengths outside and inside the region in turn, outside first (0 if it begins inside).
        """
        flat = self.numbers.ravel(order=order)
        starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
        ends = np.concatenate([starts[1:], [flat.size]])
        owner = flat[starts]
        by_owner = np.argsort(owner, kind="stable")
        bounds = np.searchsorted(owner[by_owner], np.arange(1, len(self.regions) + 2))
        for region, first, last in zip(self.regions, bounds[:-1], bounds[1:], strict=True):
            mine = by_owner[first:last]
            edges = np.stack([starts[mine], ends[mine]], axis=1).ravel()
            rest = [flat.size] if edges[-1] < flat.size else []
            yield region.number, np.diff(np.concatenate([[0], edges, rest])).astype(np.int64)


def find_regions(labels: np.ndarray, instances: Instances = "classes") -> RegionMap:
    """Divide a label map into regions, in rising order of labels.

    Parameters
    ----------
    labels : (H, W) uint8
        255 is void.
    instances : "classes" or "components", default "classes"
        One region for each label, or for each part of it whose pixels touch by edge or corner.
    """
    present = labels_present(labels)
    if instances == "classes":
        order = np.zeros(VOID + 1, dtype=np.int32)
        order[present] = np.arange(1, len(present) + 1)
        numbers, owners = order[labels], present
    else:
        numbers, owners = np.zeros(labels.shape, dtype=np.int32), []
        for label in present:
            mask = labels == label
            parts, count = ndimage.label(mask, structure=np.ones((3, 3)))
            numbers[mask] = parts[mask] + len(owners)
            owners += [label] * count
    areas = np.bincount(numbers.ravel(), minlength=len(owners) + 1).tolist()
    regions = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(numbers), start=1):
        size = columns.stop - columns.start, rows.stop - rows.start
        box = (columns.start, rows.start, *size)
        regions.append(Region(number, owners[number - 1], areas[number], box))
    return RegionMap(numbers, regions)
