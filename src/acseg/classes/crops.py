"""Describe the regions of a picture by their crops, encoded again (ACSeg, CVPR 2023)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from acseg.backbone.features import Features

ASPECT = 2.0  # a longer box is widened to this ratio before it is squeezed to a square
BATCH = 16  # crops encoded at once


def describe_crops(
    image: Tensor, labels: Tensor, encode: Callable[[Tensor], Features], *, side: int
) -> Tensor:
    """Cut the box of each region out of a picture, encode it, and average its tokens.

    Parameters
    ----------
    image : Tensor
        (3, H, W) float in 0..1.
    labels : Tensor
        (h, w) region of each token, 0..R-1, each of them there.
    encode : callable
        Images (b, 3, side, side) to Features, such as a Backbone.
    side : int
        Side of the crops in pixels, a multiple of the backbone's patch; 96 to 224.

    Returns
    -------
    Tensor
        (R, D) float32, each of length 1.
    """
    boxes = region_boxes(labels, (image.shape[1], image.shape[2]))
    crops = [
        F.interpolate(
            image[None, :, top:bottom, left:right].float(),
            (side, side),
            mode="bilinear",
            antialias=True,
            align_corners=False,
        )
        for left, top, right, bottom in boxes
    ]
    found = [
        encode(torch.cat(crops[first : first + BATCH])).tokens.mean(dim=1)
        for first in range(0, len(crops), BATCH)
    ]
    return F.normalize(torch.cat(found), dim=1)


def region_boxes(
    labels: Tensor, size: tuple[int, int], *, aspect: float = ASPECT
) -> list[tuple[int, int, int, int]]:
    """Find the box of each region, in pixels of a picture of this (height, width).

    Parameters
    ----------
    labels : Tensor
        (h, w) region of each token, 0..R-1.
    size : (int, int)
    aspect : float
        Largest ratio of the long to the short side; the short side of a longer box grows around its
        middle, inside the picture. 1 makes squares.

    Returns
    -------
    list of (left, top, right, bottom)
        Whole pixels, right and bottom outside.
    """
    high, wide = size[0] / labels.shape[0], size[1] / labels.shape[1]
    boxes = []
    for region in range(int(labels.max()) + 1):
        rows, columns = (labels == region).nonzero().T
        top, bottom = float(rows.min()) * high, float(rows.max() + 1) * high
        left, right = float(columns.min()) * wide, float(columns.max() + 1) * wide
        least = max(bottom - top, right - left) / aspect
        top, bottom = _widen(top, bottom, least, size[0])
        left, right = _widen(left, right, least, size[1])
        boxes.append(
            (
                round(left),
                round(top),
                max(round(right), round(left) + 1),
                max(round(bottom), round(top) + 1),
            )
        )
    return boxes


def _widen(first: float, last: float, least: float, limit: int) -> tuple[float, float]:
    """Widen first..last to `least` around its middle, and push it back inside 0..limit."""
    length = min(max(last - first, least), limit)
    start = min(max((first + last - length) / 2, 0), limit - length)
    return start, start + length
