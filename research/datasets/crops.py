"""How the protocols of the field cut pictures before they are scored."""

from __future__ import annotations

import numpy as np
from PIL import Image

CROPS = {
    "full": "the picture as it is (deep spectral methods on VOC; everything by default)",
    "stretch-320": "320 x 320 without keeping the aspect (CAUSE on VOC)",
    "short-320": "short side 320, all of the picture",
    "centre-320": "short side 320, then the middle 320 x 320 (STEGO and its family); of a wide "
    "picture the left and right parts are never scored",
}
SIDE = 320


def crop(
    image: np.ndarray, mask: np.ndarray, rule: str, *, nearest: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Resize and cut a picture and its mask by a named rule.

    Parameters
    ----------
    image : (H, W, 3) uint8
        The picture; bilinear with antialiasing.
    mask : (H, W) integer
        Its classes; always nearest neighbour.
    rule : str
        One of `CROPS`.
    nearest : bool, default False
        Resize the picture by nearest neighbour too, as the code of STEGO does.

    Returns
    -------
    image, mask : (h, w, 3) uint8, (h, w) int64
    """
    if rule not in CROPS:
        raise ValueError(f"crop {rule!r} is unknown; take one of {', '.join(CROPS)}")
    height, width = mask.shape
    if rule == "stretch-320":
        height, width = SIDE, SIDE
    elif rule != "full":  # the long side is cut to whole pixels, as torchvision does
        short = min(height, width)
        height, width = SIDE * height // short, SIDE * width // short
    if (height, width) != mask.shape:
        filter_ = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
        image = np.asarray(Image.fromarray(image).resize((width, height), filter_))
        whole = Image.fromarray(mask.astype(np.int32))
        mask = np.asarray(whole.resize((width, height), Image.Resampling.NEAREST))
    if rule == "centre-320":
        top, left = round((height - SIDE) / 2), round((width - SIDE) / 2)
        image = image[top : top + SIDE, left : left + SIDE]
        mask = mask[top : top + SIDE, left : left + SIDE]
    return image, mask.astype(np.int64)
