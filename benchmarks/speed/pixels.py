"""Pixels of real photographs: those that scikit-image and scikit-learn install as samples."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from acseg.backbone.load import load_backbone
from acseg.demo import sample_photographs
from acseg.images.batch import to_tensor
from acseg.images.read import read_image

STRIDE = 8  # image points between pixels: 28 x 28 of them at 224
BLOCKS = (5, 6)  # of the bundled backbone, 192 dimensions each: together those of a ViT-S
SHARE = 0.8  # of the short side, for one square


def pixels_of_photographs(count: int, side: int) -> Tensor:
    """Compute pixels (count, (side / 8)^2, 384) of length one, float32.

    Of each of the first eight sample photographs (all, if there are fewer) as many squares are
    taken as are needed, evenly spaced on its diagonal. A pixel is the tokens of the last two blocks
    of the bundled backbone, each of length one, one after the other.
    """
    paths = sample_photographs()[:8]
    each = -(-count // len(paths))
    squares = [square for path in paths for square in squares_of(read_image(path), each)]
    images = torch.stack([to_tensor(s, side=side, multiple=STRIDE) for s in squares[:count]])
    tokens = []
    for block in BLOCKS:
        backbone = load_backbone(blocks=block, stride=STRIDE, device="cpu", precision="float32")
        tokens.append(normalize(backbone(images).tokens, dim=2))
    return normalize(torch.cat(tokens, dim=2), dim=2)


def squares_of(image: np.ndarray, count: int) -> list[np.ndarray]:
    """Cut squares from an image (H, W, 3), from the upper left corner to the lower right."""
    height, width = image.shape[:2]
    side = round(SHARE * min(height, width))
    places = np.linspace(0, 1, count) if count > 1 else [0.5]
    corners = [(round((height - side) * p), round((width - side) * p)) for p in places]
    return [image[top : top + side, left : left + side] for top, left in corners]
