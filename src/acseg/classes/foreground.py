"""Foreground: the regions of a picture that the backbone attends to (ACSeg, CVPR 2023).

The last layer's attention inside a region, summed or averaged, is its foreground score. The scores
of one picture fall into two groups by 2-means, and the low group is background.
"""

import torch
from torch import Tensor

AGREEMENT = 0.75  # share of pictures in which attention and layout have to agree


def split_foreground(scores: Tensor) -> Tensor:
    """Split the regions of a picture into background (low) and foreground (high).

    Exact 2-means in one dimension: of all ways to cut the sorted scores in two, the one with the
    least sum of squares inside the groups, the lowest cut where several are equal.

    Parameters
    ----------
    scores : Tensor
        (R,) floating point.

    Returns
    -------
    Tensor
        (R,) bool, true for foreground. With one region, or equal scores only, there is nothing to
        set a background apart: all are foreground.

    Raises
    ------
    ValueError
        If the scores are not (R,), or one is not finite.
    """
    if scores.ndim != 1 or not bool(torch.isfinite(scores).all()):
        raise ValueError(f"expected finite scores (R,), not {tuple(scores.shape)}")
    values = scores.double().sort().values
    if len(values) < 2 or bool(values[0] == values[-1]):
        return torch.ones_like(scores, dtype=torch.bool)
    below = (values - values.mean()).cumsum(0)[:-1]  # (R - 1,) sum of the low group
    low = torch.arange(1, len(values), device=values.device, dtype=values.dtype)
    between = below.square() * (1 / low + 1 / (len(values) - low))
    between = between.where(values[1:] > values[:-1], -1.0)  # never between equal scores
    return scores.double() > values[between.argmax()]


def background_agrees(size: Tensor, attention: Tensor, border: Tensor) -> bool | None:
    """Say whether the background by attention is the background by layout in a picture.

    A background goes round a figure: more of it lies on the picture's rim than of the figure.

    Parameters
    ----------
    size, attention, border : Tensor
        (R,) tokens of each region, their attention, and how many of them lie on the rim.

    Returns
    -------
    bool or None
        None where the picture has one region, and says nothing.
    """
    if len(size) < 2:
        return None
    front = split_foreground(attention / size)
    if bool(front.all()):
        return None
    inner = border[front].sum() / size[front].sum()
    outer = border[~front].sum() / size[~front].sum()
    return bool(outer > 2 * inner)
