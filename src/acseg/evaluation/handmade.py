"""Hand-made pixel representations: the floor that a learned backbone has to beat.

Colour at three scales, strength of edges, and position, on a grid as a backbone gives it. No
weights, no training.
"""

from typing import Any

import numpy as np
import torch
from scipy import ndimage

from acseg.backbone.features import Features

PATCH = 8  # sides of a picture are multiples of it
STRIDE = 4  # one pixel of the grid every 4 px
SCALES = (2.0, 4.0, 8.0)  # px, of the blurred colours


class HandMade:
    """Compute hand-made pixels in the place of a backbone.

    It can be called as a `acseg.backbone.backbone.Backbone` is; attention is the same everywhere.

    Attributes
    ----------
    patch, stride, dim, block : int
    device : torch.device
    precision : torch.dtype
    """

    name, family = "hand-made", "hand-made"
    patch, stride, block = PATCH, STRIDE, 1
    dim = 3 * len(SCALES) + 1 + 2
    device = torch.device("cpu")
    precision = torch.float32

    def __call__(self, images: torch.Tensor) -> Features:
        """Describe images (B, 3, H, W) in 0..1; grid (H / 4, W / 4)."""
        pixels = np.stack([handmade_pixels(i) for i in images.cpu().numpy()])  # (B, h, w, D)
        grid = (pixels.shape[1], pixels.shape[2])
        flat = torch.from_numpy(pixels).flatten(1, 2).float()  # (B, N, D)
        attention = torch.full(flat.shape[:2], 1 / flat.shape[1])
        return Features(flat, grid, attention)


def handmade_pixels(image: Any) -> np.ndarray:
    """Describe one image (3, H, W) in 0..1: (H / 4, W / 4, 12) float64, each about -1 to 1."""
    from skimage.color import rgb2lab

    lab = rgb2lab(np.moveaxis(np.asarray(image), 0, -1)) - np.array([50.0, 0.0, 0.0])
    height, width = lab.shape[:2]
    cells = np.s_[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    planes = [ndimage.gaussian_filter(lab, (s, s, 0))[cells] / 25 for s in SCALES]
    edges = ndimage.gaussian_filter(ndimage.gaussian_gradient_magnitude(lab[..., 0], 1.0), 4.0)
    planes.append(edges[cells][..., None] / 5 - 1)
    rows, columns = np.mgrid[0:height, 0:width]
    place = np.stack([2 * rows / height - 1, 2 * columns / width - 1], axis=-1)
    planes.append(place[cells])
    return np.concatenate(planes, axis=-1)
