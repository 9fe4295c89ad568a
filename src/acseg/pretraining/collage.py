"""Collages: cut-outs of other photographs pasted into a view, so that it shows many things."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from acseg.pretraining.views import View


@dataclass(frozen=True)
class Collage:
    """A batch of views with parts of each other pasted in.

    Attributes
    ----------
    images : (B, 3, s, s) float32 in 0..1
    piece : (B, N) int64
        0 where a pixel is the view's own; p where it came from the view p places before it in
        the batch.
    pieces : int
        One more than the greatest p there may be.
    """

    images: Tensor
    piece: Tensor
    pieces: int


def no_collage(view: View) -> Collage:
    """Take a batch of views as it is."""
    return Collage(view.images, torch.zeros_like(view.regions[:, 0]), 1)


def make_collage(view: View, *, share: float, pastes: int = 2) -> Collage:
    """Paste into a share of the views the cut-outs of the views before them in the batch.

    A cut-out is the figure of a view with a clear one, else a random half of its coarsest
    regions (`View.cut`). Its edge is softened over 3 px, so that it is no sharper than others.

    Parameters
    ----------
    view : View
    share : float
        Probability of each paste, 0 to 1; try 0.3 to 0.7.
    pastes : int
        Cut-outs a view gets at most; 1 to 3.
    """
    side = view.images.shape[-1]
    patch = side // round(view.figure.shape[1] ** 0.5)
    images = view.images
    piece = torch.zeros_like(view.regions[:, 0])
    for number in range(1, pastes + 1):
        chosen = (torch.rand(len(images)) < share).to(images.device)
        mask = (view.cut.roll(number, 0) & chosen[:, None, None]).float()[:, None]  # (B, 1, s, s)
        soft = F.avg_pool2d(mask, 3, stride=1, padding=1, count_include_pad=False)
        images = torch.lerp(images, view.images.roll(number, 0), soft)
        covered = F.avg_pool2d(mask, patch).flatten(1) >= 0.5
        piece = piece.masked_fill(covered, number)
    return Collage(images, piece, pastes + 1)


def collage_target(target: Tensor, piece: Tensor, pieces: int) -> Tensor:
    """Target affinity of a collage: that of its photograph within a piece, 0 across pieces.

    ``T'_ij = [p_i = p_j] T^(p_i)_ij``

    Parameters
    ----------
    target : (B, N, N)
        Of each view before pasting.
    piece : (B, N) int64
    pieces : int

    Returns
    -------
    (B, N, N)
    """
    total = torch.zeros_like(target)
    for number in range(pieces):
        own = (piece == number).to(target.dtype)
        total += target.roll(number, 0) * own[:, :, None] * own[:, None, :]
    return total
