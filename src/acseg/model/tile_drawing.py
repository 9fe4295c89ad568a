"""From the blended scores of a picture to its labels, a band of rows after the other."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from acseg.concepts.assignment import lerp
from acseg.model.tile_scores import BlendedScores
from acseg.output.palette import VOID
from acseg.output.records import Segment
from acseg.output.sampling import middles

BAND = 2**20  # pixels drawn at once


def draw_bands(
    scores: BlendedScores, owners: Sequence[int]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Draw a picture at full size: scores are upsampled bilinearly first, then compared.

    The result is that of `acseg.concepts.assignment.upsample_assignment` on the whole grid.

    Parameters
    ----------
    scores : BlendedScores
        Finished.
    owners : sequence of int
        The concepts that take part, rising.

    Yields
    ------
    top, places : int, (rows, W) uint8
        First row of the band, and for each of its pixels the place of its concept in `owners`.
    """
    layout, chosen = scores.layout, list(owners)
    rows = max(1, BAND // layout.width)
    for top in range(0, layout.height, rows):
        bottom = min(top + rows, layout.height)
        lines = (np.arange(top, bottom) + 0.5) * (layout.rows / layout.height) - 0.5
        lines = lines.clip(0, layout.rows - 1)
        first, last = int(lines[0]), min(int(lines[-1]) + 2, layout.rows)
        cells = torch.from_numpy(scores.rows(first, last)[..., chosen])  # (h, w, m)
        across = lerp(cells.permute(2, 0, 1).contiguous(), layout.width, dim=2)  # (m, h, W)
        low = torch.from_numpy(lines.astype(np.int64) - first)
        high = (low + 1).clamp(max=last - first - 1)
        share = torch.from_numpy((lines - lines.astype(np.int64)).astype(np.float32))[:, None]
        best = torch.lerp(across[0][low], across[0][high], share)  # (rows, W)
        places = torch.zeros(best.shape, dtype=torch.uint8)
        for place in range(1, len(chosen)):
            score = torch.lerp(across[place][low], across[place][high], share)
            places.masked_fill_(score > best, place)
            torch.maximum(best, score, out=best)
        yield top, places.numpy()


class Meter:
    """Measures the labels of a picture that comes in bands.

    Parameters
    ----------
    height, width : int
        Of the picture in px.
    small : (int, int)
        Height and width of a small label map that is made on the way.

    Attributes
    ----------
    small : (h, w) uint8
        The label at the middle of each pixel of a small version.
    """

    def __init__(self, height: int, width: int, small: tuple[int, int]) -> None:
        self._size = height, width
        self.small = np.full(small, VOID, np.uint8)
        self._lines, self._columns = middles(height, small[0]), middles(width, small[1])
        self._counts = np.zeros(VOID + 1, np.int64)
        self._boxes: dict[int, tuple[int, int, int, int]] = {}  # left, top, right, bottom

    def add(self, top: int, labels: NDArray[np.uint8]) -> None:
        """Measure a band (rows, W) that begins at row `top`."""
        counts = np.bincount(labels.ravel(), minlength=VOID + 1)
        self._counts += counts
        for label in np.flatnonzero(counts[:VOID]).tolist():
            own = labels == label
            rows, columns = np.flatnonzero(own.any(1)) + top, np.flatnonzero(own.any(0))
            box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
            old = self._boxes.get(label, box)
            self._boxes[label] = (
                *(min(old[0], box[0]), min(old[1], box[1])),
                *(max(old[2], box[2]), max(old[3], box[3])),
            )
        here = (self._lines >= top) & (self._lines < top + len(labels))
        self.small[here] = labels[np.ix_(self._lines[here] - top, self._columns)]

    def segments(self, confidence: dict[int, float], names: dict[int, str]) -> tuple[Segment, ...]:
        """List what was found, in rising order of labels."""
        pixels = self._size[0] * self._size[1]
        return tuple(
            Segment(
                id=label,
                area=float(self._counts[label] / pixels),
                box=(left, top, right - left, bottom - top),
                confidence=confidence.get(label),
                name=names.get(label),
            )
            for label, (left, top, right, bottom) in sorted(self._boxes.items())
        )

    @property
    def found(self) -> list[int]:
        """Labels that occur, void not among them."""
        return np.flatnonzero(self._counts[:VOID]).tolist()
