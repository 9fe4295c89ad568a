"""Regions: the pixels of one image that share a concept, as one table for a whole batch.

Boxes are (left, top, right, bottom) with right and bottom exclusive, so that right - left is the
width. On the grid they count pixels of the feature grid; `scale_boxes` turns them into pixels of
the picture.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Regions:
    """All R regions of a batch, in the order of image and then label.

    Attributes
    ----------
    ids : Tensor
        (B, h, w) long: for each pixel the row of its region in this table.
    image : Tensor
        (R,) long: the image in the batch that the region lies in.
    label : Tensor
        (R,) long: the label that the region had in the grid (its prototype).
    boxes : Tensor
        (R, 4) long: left, top, right, bottom on the grid.
    share : Tensor
        (R,) float32 in 0..1: the region's part of its image.
    """

    ids: Tensor
    image: Tensor
    label: Tensor
    boxes: Tensor
    share: Tensor

    def __len__(self) -> int:
        """Count the regions."""
        return len(self.label)


def find_regions(labels: Tensor) -> Regions:
    """List the regions of a batch of label grids.

    A region is every pixel with one label, connected or not, as a concept of the paper is.

    Parameters
    ----------
    labels : Tensor
        (B, h, w), or (h, w) for one image; integers from 0. Labels need not be compact: only those
        that own a pixel become regions.

    Returns
    -------
    Regions
        Region tables on the device of `labels`.

    Raises
    ------
    ValueError
        If the shape is another, the grid is empty, or a label is not an integer from 0.
    """
    if labels.ndim == 2:
        labels = labels[None]
    if labels.ndim != 3 or labels.numel() == 0:
        raise ValueError(f"expected labels of shape (B, h, w), not {tuple(labels.shape)}")
    if labels.is_floating_point() or labels.is_complex() or int(labels.min()) < 0:
        raise ValueError("expected labels that are integers from 0")
    labels = labels.long()
    images, height, width = labels.shape
    most = int(labels.max()) + 1
    offset = torch.arange(images, device=labels.device)[:, None, None] * most
    keys = (labels + offset).flatten()  # (B h w,) image and label in one number
    counts = torch.bincount(keys, minlength=images * most)  # (B most,)
    present = counts.nonzero().squeeze(1)  # (R,)
    row = torch.full_like(counts, -1)
    row[present] = torch.arange(len(present), device=labels.device)
    ids = row[keys].view_as(labels)
    return Regions(
        ids=ids,
        image=present // most,
        label=present % most,
        boxes=_boxes(ids, len(present)),
        share=(counts[present].double() / (height * width)).float(),
    )


def _boxes(ids: Tensor, n: int) -> Tensor:
    _, height, width = ids.shape
    across = torch.arange(width, device=ids.device).expand_as(ids).flatten()
    down = torch.arange(height, device=ids.device)[:, None].expand_as(ids).flatten()
    flat = ids.flatten()

    def extreme(position: Tensor, which: str) -> Tensor:
        out = torch.zeros(n, dtype=torch.long, device=ids.device)
        return out.scatter_reduce(0, flat, position, which, include_self=False)

    low = [extreme(across, "amin"), extreme(down, "amin")]
    high = [extreme(across, "amax") + 1, extreme(down, "amax") + 1]
    return torch.stack(low + high, dim=1)  # (R, 4)


def scale_boxes(
    boxes: Tensor,
    grid: tuple[int, int],
    size: tuple[int, int],
    *,
    margin: float = 0.0,
    aspect: float = float("inf"),
) -> Tensor:
    """Scale boxes from the grid to the picture, and widen them inside it.

    Parameters
    ----------
    boxes : Tensor
        (R, 4) left, top, right, bottom on the grid.
    grid, size : tuple of int
        (h, w) of the feature grid; (H, W) of the picture in pixels.
    margin : float
        What is added on each side, as a part of the box's own side: 0 (the box itself, as in the
        paper) to about 0.25 (more surroundings).
    aspect : float
        The largest ratio of long to short side that may remain. The short side of a longer box
        grows to long / aspect around its centre and is pushed back where it leaves the picture;
        where the picture itself is too narrow, the ratio stays larger. 1 makes squares, infinity
        leaves boxes as they are. Try 1 to 4.

    Returns
    -------
    Tensor
        (R, 4) float32 boxes inside the picture, in its pixels, fractions allowed.

    Raises
    ------
    ValueError
        If `margin` is negative or `aspect` below 1.
    """
    if margin < 0 or aspect < 1:
        raise ValueError(f"expected margin >= 0 and aspect >= 1, not {margin} and {aspect}")
    device = boxes.device
    limit = torch.tensor([size[1], size[0]], dtype=torch.float32, device=device)  # W, H
    factor = limit / torch.tensor([grid[1], grid[0]], dtype=torch.float32, device=device)
    corner = boxes.float().view(-1, 2, 2) * factor  # (R, 2, 2): (first, last) x (across, down)
    middle = corner.mean(dim=1)  # (R, 2)
    side = (corner[:, 1] - corner[:, 0]) * (1 + 2 * margin)
    least = side.amax(dim=1, keepdim=True) / aspect
    grown = torch.minimum(torch.maximum(side, least), limit)
    first = (middle - grown / 2).clamp(min=0)
    first = torch.minimum(first, limit - grown)
    return torch.cat([first, first + grown], dim=1)
