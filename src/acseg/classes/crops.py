"""Crops: the boxes of regions cut out of pictures and resized to one size.

Each box is one call of PyTorch's antialiased resize, about 0.5 ms for a crop of 224 pixels on one
core, under one percent of encoding it. Doing all boxes in one call was measured too: as dense
resampling matrices it took 11 to 17 times as long, as a sparse weighted sum of rows
(`embedding_bag`) 6 to 19 times, because both read whole rows of the picture for every box.
"""

import torch
from torch import Tensor
from torch.nn import functional


def crop_regions(
    images: Tensor,
    boxes: Tensor,
    side: int,
    *,
    source: Tensor | None = None,
    masks: Tensor | None = None,
) -> Tensor:
    """Cut boxes out of images and resize each to a square, bilinear and antialiased.

    A box is widened to whole pixels, and becomes the square whatever its aspect: a long box is
    squeezed, so that a strip of sky stays sky. To squeeze less and show more of what is around,
    widen the boxes before (`aspect` of `scale_boxes`).

    Parameters
    ----------
    images : Tensor
        (3, H, W), or (B, 3, H, W) with `source`; float. Any number of channels will do.
    boxes : Tensor
        (R, 4) left, top, right, bottom in pixels of the images; fractions allowed.
    side : int
        Side of the crops in pixels, a multiple of the backbone's patch. Try 112 to 224.
    source : Tensor, optional
        (R,) long: the image that each box lies in. Default: the one image given.
    masks : Tensor, optional
        (R, h, w) bool or 0..1 at any resolution, each over the whole image of its box: what lies
        outside becomes 0 (black). This masked variant hides the surroundings, and did much worse
        than the plain crop in a public reproduction of the paper.

    Returns
    -------
    Tensor
        (R, 3, side, side) float32.

    Raises
    ------
    ValueError
        If a shape does not fit, or a box is empty or leaves the image.
    """
    if images.ndim == 3:
        images = images[None]
    if images.ndim != 4 or boxes.ndim != 2 or boxes.shape[1] != 4 or side < 1:
        raise ValueError(
            "expected images (B, 3, H, W), boxes (R, 4) and a side of at least 1, not "
            f"{tuple(images.shape)}, {tuple(boxes.shape)} and {side}"
        )
    if source is None and len(images) == 1:
        source = torch.zeros(len(boxes), dtype=torch.long)
    if source is None or len(source) != len(boxes):
        raise ValueError(f"expected source to name the image of each of {len(boxes)} boxes")
    channels, height, width = images.shape[1:]
    whole = whole_boxes(boxes, (height, width))
    crops = torch.empty(len(boxes), channels, side, side, device=images.device)
    for row, (image, box) in enumerate(zip(source.tolist(), whole.tolist())):
        left, top, right, bottom = box
        part = images[image, None, :, top:bottom, left:right].float()
        crops[row] = functional.interpolate(
            part, (side, side), mode="bilinear", antialias=True, align_corners=False
        )[0]
    if masks is not None:
        crops = crops * crop_masks(masks, boxes, (height, width), side)[:, None]
    return crops


def crop_masks(masks: Tensor, boxes: Tensor, size: tuple[int, int], side: int) -> Tensor:
    """Cut from each mask the box of its region, as `crop_regions` does from the picture.

    Parameters
    ----------
    masks : Tensor
        (R, h, w) bool or 0..1, each over the whole picture, at any resolution.
    boxes : Tensor
        (R, 4) left, top, right, bottom in pixels of the picture.
    size : tuple of int
        (H, W) of the picture.
    side : int
        Side of the result in pixels.

    Returns
    -------
    Tensor
        (R, side, side) float32: the mask at the nearest place, without smoothing.

    Raises
    ------
    ValueError
        If there is not one mask for each box, or a box is empty or leaves the picture.
    """
    if masks.ndim != 3 or len(masks) != len(boxes):
        raise ValueError(f"expected {len(boxes)} masks (R, h, w), not {tuple(masks.shape)}")
    whole = whole_boxes(boxes, size).to(masks.device).float()
    step = (torch.arange(side, device=masks.device) + 0.5) / side  # (side,) centres in 0..1
    across = whole[:, 0:1] + step * (whole[:, 2:3] - whole[:, 0:1])  # (R, side) picture pixels
    down = whole[:, 1:2] + step * (whole[:, 3:4] - whole[:, 1:2])
    column = (across * (masks.shape[2] / size[1])).long().clamp(max=masks.shape[2] - 1)
    line = (down * (masks.shape[1] / size[0])).long().clamp(max=masks.shape[1] - 1)
    row = torch.arange(len(masks), device=masks.device)
    return masks[row[:, None, None], line[:, :, None], column[:, None, :]].float()


def whole_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Widen boxes to whole pixels.

    Parameters
    ----------
    boxes : Tensor
        (R, 4) left, top, right, bottom in pixels.
    size : tuple of int
        (H, W) of the picture.

    Returns
    -------
    Tensor
        (R, 4) long. A hundredth of a pixel is taken for rounding and adds nothing.

    Raises
    ------
    ValueError
        If a box is empty or leaves the picture, which names it.
    """
    boxes = boxes.double()
    whole = torch.cat([(boxes[:, :2] + 0.01).floor(), (boxes[:, 2:] - 0.01).ceil()], dim=1).long()
    limit = torch.tensor([size[1], size[0]], device=boxes.device)
    good = (whole[:, :2] >= 0) & (whole[:, 2:] <= limit) & (whole[:, 2:] > whole[:, :2])
    if not bool(good.all()):
        bad = boxes[int((~good.all(dim=1)).nonzero()[0])].tolist()
        raise ValueError(f"expected boxes inside a picture of {size[1]} x {size[0]}, not {bad}")
    return whole
