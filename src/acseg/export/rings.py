"""The closed lines along the pixel edges of a mask."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Ring:
    """One closed line, around a region or around a hole in one.

    Its corners (n, 2) are x, y in clockwise order from the topmost, of those the leftmost.
    """

    corners: np.ndarray
    hole: bool


def trace_rings(mask: np.ndarray) -> list[Ring]:
    """Trace the borders of a mask along the edges of its pixels.

    Pixel (0, 0) covers the square from 0, 0 to 1, 1. Regions hang together by edges, holes by
    corners too, so that no line crosses itself. On each grid line the corners, in order, are the
    ends of edges by twos; a line is followed by going along a row and a column in turn.

    Parameters
    ----------
    mask : (H, W) bool

    Returns
    -------
    list of Ring
        In the order of their first corners, row by row.
    """
    padded = np.pad(np.asarray(mask, dtype=bool), 1)
    nw, ne, sw, se = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    left, right, up, down = nw != sw, ne != se, nw != ne, sw != se  # edges at each grid point
    y, x = np.nonzero((left != right) | (left & right & up & down))
    both = left[y, x] & right[y, x]  # two regions meet with their corners: two nodes
    y, x = np.concatenate([y, y[both]]), np.concatenate([x, x[both]])
    second = np.arange(len(y)) >= len(both)
    twice = np.concatenate([both, both[both]])
    goes_right = np.where(twice, second, right[y, x])
    goes_down = np.where(twice, second == se[y, x], down[y, x])
    order = np.lexsort((goes_right, x, y))
    y, x, goes_right, goes_down = y[order], x[order], goes_right[order], goes_down[order]
    along_row = _partners(np.lexsort((goes_right, x, y)))
    along_column = _partners(np.lexsort((goes_down, y, x)))
    places = np.stack([x, y], axis=1)
    inside = se[y, x]
    rings = []
    seen = bytearray(len(y))
    for start in range(len(y)):
        if seen[start]:
            continue
        nodes: list[int] = []
        node = start
        while not seen[node]:
            other = along_row[node]
            nodes += (node, other)
            seen[node] = seen[other] = 1
            node = along_column[other]
        rings.append(Ring(places[nodes], hole=not inside[start]))
    return rings


def _partners(order: np.ndarray) -> list[int]:
    """For each node the one that follows or precedes it, by twos, in this order."""
    partner = np.empty(len(order), dtype=np.intp)
    partner[order[0::2]], partner[order[1::2]] = order[1::2], order[0::2]
    return partner.tolist()
