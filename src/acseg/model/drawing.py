"""From the scores of a picture's parts to the part of each pixel."""

import numpy as np
import torch
from numpy.typing import NDArray

from acseg.concepts.assignment import upsample_assignment
from acseg.concepts.guided import draw_labels
from acseg.model.pipeline import Concepts

NOT_FINITE = "the backbone's features of it are not finite numbers; try --precision float32"


def draw_parts(
    concepts: Concepts, part: torch.Tensor, picture: NDArray[np.uint8], *, edges: bool
) -> NDArray[np.uint8]:
    """Draw the part of each pixel of a picture.

    Parameters
    ----------
    concepts : Concepts
    part : Tensor
        (n,) part of each leaf.
    picture : (H, W, 3) uint8
    edges : bool
        Follow the photograph's own edges; else scores are only upsampled and compared.

    Returns
    -------
    (H, W) uint8
        Of parts 0..R-1; some may own no pixel.
    """
    return _draw(concepts.part_scores(part).cpu(), concepts.grid, picture, edges)


def draw_leaves(
    concepts: Concepts,
    part: torch.Tensor,
    parts: NDArray[np.uint8],
    picture: NDArray[np.uint8],
    *,
    edges: bool,
) -> NDArray[np.uint8]:
    """Draw the leaf of each pixel, nested in the parts that are drawn already.

    Parameters
    ----------
    concepts, part, picture, edges
        As in `draw_parts`.
    parts : (H, W) uint8
        What `draw_parts` gave.

    Returns
    -------
    (H, W) uint8
    """
    scores = concepts.scores.cpu()  # (N, n)
    leaves = np.zeros(parts.shape, np.uint8)
    for number in np.unique(parts).tolist():
        own = np.flatnonzero((part == number).numpy())
        here = parts == number
        if len(own) == 1:
            leaves[here] = own[0]
        else:
            drawn = _draw(scores[:, own], concepts.grid, picture, edges)
            leaves[here] = own[drawn[here]]
    return leaves


def _draw(
    scores: torch.Tensor, grid: tuple[int, int], picture: NDArray[np.uint8], edges: bool
) -> NDArray[np.uint8]:
    """Draw scores (N, k) at the size of a picture: (H, W) uint8 of 0..k-1."""
    if edges:
        image = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)
        drawn = draw_labels(scores.T.reshape(-1, *grid), image)
        return drawn.numpy().astype(np.uint8)
    labels, kept = upsample_assignment(scores, grid, (picture.shape[0], picture.shape[1]))
    return kept.numpy().astype(np.uint8)[labels.numpy()]
