"""The segments of a label map: area and box of each label."""

from collections.abc import Mapping

import numpy as np

from acseg.output.palette import VOID
from acseg.output.records import Segment


def find_segments(
    labels: np.ndarray,
    confidence: Mapping[int, float] | None = None,
    names: Mapping[int, str] | None = None,
) -> tuple[Segment, ...]:
    """Measure each label of a label map.

    Parameters
    ----------
    labels : (H, W) integer
        0..254; 255 is void.
    confidence, names : mapping from label, optional

    Returns
    -------
    tuple of Segment
        In rising order of labels; only labels that occur.
    """
    counts = np.bincount(labels.ravel(), minlength=VOID + 1)
    segments = []
    for label in np.flatnonzero(counts[:VOID]).tolist():
        own = labels == label
        rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
        top, left = int(rows[0]), int(columns[0])
        size = int(columns[-1]) - left + 1, int(rows[-1]) - top + 1
        segments.append(
            Segment(
                id=label,
                area=float(counts[label] / labels.size),
                box=(left, top, *size),
                confidence=(confidence or {}).get(label),
                name=(names or {}).get(label),
            )
        )
    return tuple(segments)
