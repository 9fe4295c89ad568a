"""Random views of a batch of photographs: crops, flips and colours, all in batched torch."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from acseg.pretraining.losses import CLEAR

GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class View:
    """One view of each photograph.

    Attributes
    ----------
    images : (B, 3, s, s) float32 in 0..1
    regions : (B, S, N) int64
        Region id of each pixel (patch centre) at each scale of over-segmentation.
    figure : (B, N) float32 in 0..1
    cut : (B, s, s) bool
        What a collage may take from it: the figure where it is clear, else a random half of the
        coarsest regions.
    """

    images: Tensor
    regions: Tensor
    figure: Tensor
    cut: Tensor


def random_view(
    photos: Tensor,
    maps: Tensor,
    aspect: Tensor,
    *,
    side: int,
    patch: int,
    area: tuple[float, float] = (0.35, 1.0),
    strength: float = 1.0,
) -> View:
    """Draw one random view of each photograph.

    Parameters
    ----------
    photos : (B, 3, H, W) uint8
        Photographs squeezed to one square shape.
    maps : (B, S + 1, h, w) uint8
        Region ids at S scales, then the figure score in 0..255.
    aspect : (B,) float32
        Width over height before squeezing; crops keep the true aspect within a factor 4/3.
    side : int
        Side of the view in pixels of the picture; a multiple of `patch`.
    patch : int
        Patch side of the ViT.
    area : (float, float)
        Range of the crop's share of the photograph; try (0.2, 1) to (0.5, 1).
    strength : float
        Of the colour changes; 0 none, 1 usual.
    """
    grid = _crop(aspect, area).to(photos.device)  # (B, 2, 3)
    batch = photos.shape[0]
    points = F.affine_grid(grid, [batch, 3, side, side], align_corners=False)
    images = F.grid_sample(
        photos.float() / 255, points, padding_mode="reflection", align_corners=False
    )
    cells = side // patch
    centres = F.affine_grid(grid, [batch, 1, cells, cells], align_corners=False)
    sampled = F.grid_sample(
        maps.float(), centres, mode="nearest", padding_mode="reflection", align_corners=False
    )
    sampled = sampled.flatten(2)  # (B, S + 1, N)
    if strength > 0:
        images = _recolour(images, strength)
    coarse = F.grid_sample(
        maps[:, -2:].float(), points, mode="nearest", padding_mode="reflection", align_corners=False
    )
    return View(
        images,
        sampled[:, :-1].long(),
        sampled[:, -1] / 255,
        _cut(coarse[:, 0].long(), coarse[:, 1] / 255),
    )


def _cut(regions: Tensor, figure: Tensor) -> Tensor:
    """Choose what to cut out, (B, s, s) bool: a clear figure, else a random half of the regions."""
    flat = figure.flatten(1)
    clear = flat.var(1, correction=0) >= CLEAR / 2  # (B,)
    middle = (flat.amin(1) + flat.amax(1)) / 2
    kept = (torch.rand(len(regions), 256) < 0.5).to(regions.device)
    some = kept.gather(1, regions.flatten(1)).view_as(regions)
    return torch.where(clear[:, None, None], figure > middle[:, None, None], some)


def _crop(aspect: Tensor, area: tuple[float, float]) -> Tensor:
    """Affine maps (B, 2, 3) of random crops: share `area`, near-true aspect, random flip."""
    batch = aspect.shape[0]
    share = torch.empty(batch).uniform_(*area)
    bend = torch.empty(batch).uniform_(-0.2877, 0.2877).exp()  # log(4/3)
    wide = (share / aspect * bend).sqrt()
    tall = (share * aspect / bend).sqrt()
    over = torch.maximum(wide, tall).clamp(min=1.0)
    wide, tall = (wide / over).clamp(max=1.0), (tall / over).clamp(max=1.0)
    flip = torch.where(torch.rand(batch) < 0.5, -1.0, 1.0)
    affine = torch.zeros(batch, 2, 3)
    affine[:, 0, 0], affine[:, 1, 1] = wide * flip, tall
    affine[:, 0, 2] = (torch.rand(batch) * 2 - 1) * (1 - wide)
    affine[:, 1, 2] = (torch.rand(batch) * 2 - 1) * (1 - tall)
    return affine


def _recolour(images: Tensor, strength: float) -> Tensor:
    """Change brightness, contrast, saturation and hue; sometimes drop colour or blur."""
    batch = images.shape[0]

    def factor(spread: float) -> Tensor:
        drawn = 1 + (torch.rand(batch, 1, 1, 1) * 2 - 1) * spread * strength
        return drawn.to(images.device)

    luma = torch.tensor(GREY, device=images.device).view(1, 3, 1, 1)
    images = images * factor(0.4)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = (images - mean) * factor(0.4) + mean
    grey = (images * luma).sum(1, keepdim=True)
    images = (images - grey) * factor(0.4) + grey
    images = _turn_hue(images, (torch.rand(batch) * 2 - 1) * 0.6 * strength)
    plain = (torch.rand(batch, 1, 1, 1) < 0.15 * strength).to(images.device)
    images = torch.where(plain, (images * luma).sum(1, keepdim=True), images)
    soft = (torch.rand(batch, 1, 1, 1) < 0.2 * strength).to(images.device)
    blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
    return torch.where(soft, blurred, images).clamp(0, 1)


def _turn_hue(images: Tensor, angle: Tensor) -> Tensor:
    """Rotate each image's colours (B, 3, s, s) about the grey axis by `angle` (B,) radians."""
    cos, sin = angle.cos().view(-1, 1, 1), angle.sin().view(-1, 1, 1)
    axis = torch.full((3,), 3**-0.5)
    outer = torch.outer(axis, axis)
    a = axis[0]
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) * a
    turn = (cos * torch.eye(3) + sin * cross + (1 - cos) * outer).to(images.device)  # (B, 3, 3)
    return torch.einsum("bij,bjhw->bihw", turn, images)
