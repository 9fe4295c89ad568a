"""Whether a picture is a figure on a ground: an addition to the paper, for merging by picture.

How finely a picture should be divided does not lie in its affinities alone: a horse on a meadow and
a street have graphs of the same modularity. It lies in their layout. A ground goes round a figure,
so opposite sides of the picture are alike, and its middle differs from its border; a scene is a
stack of things, sky over houses over road. With u the pixels brought to length one, and the mean of
u over the strip at the top, bottom, left and right and over the middle of the picture::

    g = min(<u_top, u_bottom>, <u_left, u_right>) + |u_border - u_middle|^2

where u_border is the mean of the four strips. Concepts are merged only where g is large.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

STRIP = 12  # a strip is one part in so many of a side
NEVER = math.inf  # threshold of an image in which nothing merges


def ground_score(pixels: Tensor, grid: tuple[int, int]) -> Tensor:
    """Score how much each image is a figure on a ground rather than a scene.

    Parameters
    ----------
    pixels
        (B, N, D), floating point, row by row.
    grid
        Height and width, with ``height * width == N``.

    Returns
    -------
    Tensor
        (B,) float32, -1 to 5. With the bundled backbone, streets of CamVid have 0.28 to 0.40,
        horses on their ground 0.67 to 1.16 (10th and 90th of 100).

    Raises
    ------
    ValueError
        Where shapes differ.
    """
    height, width = grid
    if pixels.ndim != 3 or height * width != pixels.shape[1]:
        raise ValueError(f"expected (B, {height} * {width}, D), found {tuple(pixels.shape)}")
    unit = functional.normalize(pixels.float(), dim=2).unflatten(1, (height, width))
    high, wide = (height + STRIP - 1) // STRIP, (width + STRIP - 1) // STRIP  # at least one
    top, bottom = _mean(unit[:, :high]), _mean(unit[:, height - high :])  # (B, D)
    left, right = _mean(unit[:, :, :wide]), _mean(unit[:, :, width - wide :])
    rows, columns = height // 4, width // 4  # left out on each side of the middle
    middle = _mean(unit[:, rows : height - rows, columns : width - columns])
    border = (top + bottom + left + right) / 4
    around = torch.minimum((top * bottom).sum(1), (left * right).sum(1))  # (B,)
    return around + (border - middle).square().sum(1)


def merge_thresholds(
    pixels: Tensor, grid: tuple[int, int], merge: float | None, ground: float | None
) -> float | Tensor:
    """Say above which mean affinity concepts merge, for each image.

    Parameters
    ----------
    pixels, grid
        As in `ground_score`.
    merge
        As in `acseg.concepts.merging.merge_concepts`; None merges nothing.
    ground
        Least ground score of an image in which concepts merge; 0.3 to 0.8. None or 0: in all.

    Returns
    -------
    float or Tensor
        One that holds for all images, or (B,) float32; `NEVER` where nothing merges.
    """
    limit, least = plain_thresholds(merge, ground)
    if not least:
        return limit
    return torch.where(ground_score(pixels, grid) < least, NEVER, limit)


def plain_thresholds(merge: float | None, ground: float | None) -> tuple[float, float]:
    """Give both thresholds as numbers; a ground of 0 says that there is nothing to decide."""
    if merge is None or merge >= 1:
        return NEVER, 0.0
    return merge, ground or 0.0


def _mean(part: Tensor) -> Tensor:
    return part.mean(dim=(1, 2))
