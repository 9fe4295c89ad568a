"""From pictures to tensors for the backbone."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

LONGEST = 3
"""The long side of a tensor is at most this many times `side`."""


def fitted_size(height: int, width: int, *, side: int, multiple: int) -> tuple[int, int]:
    """Give the size at which a picture goes to the backbone.

    The short side becomes `side`; if the long side would pass `LONGEST` times `side`, the whole
    picture is made smaller until it does not. Then both are rounded to a multiple.

    Parameters
    ----------
    height, width : int
        Size of the picture, 1 or more.
    side : int
        Short side wished for, in pixels; 224 to 640 are usual.
    multiple : int
        What both sides shall be a multiple of: the patch of the backbone.

    Returns
    -------
    height, width : int
        At least `multiple` each.
    """
    if min(height, width, side, multiple) < 1:
        raise ValueError(f"sizes must be 1 or more, not {(height, width, side, multiple)}")
    scale = min(side / min(height, width), LONGEST * side / max(height, width))
    high, wide = (max(1, round(length * scale / multiple)) * multiple for length in (height, width))
    return high, wide


def to_tensor(image: np.ndarray, *, side: int, multiple: int) -> Tensor:
    """Turn a picture into a tensor of the size that the backbone takes.

    Resized bilinearly with antialiasing to `fitted_size`.

    Parameters
    ----------
    image : (H, W, 3) uint8
    side, multiple : int
        As for `fitted_size`.

    Returns
    -------
    (3, h, w) float32 in 0..1

    Raises
    ------
    ValueError
        If `image` is not (H, W, 3) uint8; `acseg.images.read.read_image` gives that.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8, not {image.dtype} of shape {image.shape}")
    return resize(image, fitted_size(image.shape[0], image.shape[1], side=side, multiple=multiple))


def resize(image: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Resize a picture (H, W, 3) uint8 to (h, w): (3, h, w) float32 in 0..1, antialiased."""
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]  # as it lies
    resized = functional.interpolate(
        pixels.float().div_(255), size=size, mode="bilinear", antialias=True, align_corners=False
    )
    return resized[0].clamp(0, 1).contiguous()  # (3, h, w)
