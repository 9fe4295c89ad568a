"""Label maps at another size: every point of the result takes the label at its middle."""

import numpy as np
from numpy.typing import NDArray


def middles(length: int, parts: int) -> NDArray[np.intp]:
    """Cut a line of `length` cells into parts of one size; give the cell at the middle of each.

    Parameters
    ----------
    length, parts : int
        1 or more; `parts` may be more than `length`.

    Returns
    -------
    (parts,) integer, 0..length-1, rising
    """
    return ((np.arange(parts) + 0.5) * length / parts).astype(np.intp)


def sample_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Take the label (H, W) at the middle of each point of a map of `size` (width, height)."""
    lines, columns = middles(labels.shape[0], size[1]), middles(labels.shape[1], size[0])
    return labels[np.ix_(lines, columns)]
