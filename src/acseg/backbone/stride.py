"""Overlapping patches: a denser grid of tokens from the same ViT.

With a patch of 16 and a stride of 8 every patch shares half of itself with its neighbours, and the
grid has twice the tokens each way. Padding the image by patch - stride, half before and half
after, makes the grid exactly (H / stride) x (W / stride), and puts the middle of patch i at
stride * (i + 1/2), just where token i of such a grid belongs. Both interpolated position tables
and rotary positions go by that middle, so both stay true on the denser grid.
"""

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from acseg.backbone.vit import TimmVit, TransformersVit
from acseg.errors import BackboneError


def set_stride(vit: TransformersVit | TimmVit, stride: int) -> None:
    """Make a ViT take patches every `stride` pixels, in place.

    Parameters
    ----------
    vit : TransformersVit
        Fresh, with a stride of its patch. A stride equal to the patch changes nothing.
    stride : int
        At least 1, a divisor of the patch: 4 or 8 for a patch of 16. Half the stride means four
        times the tokens and more than four times the work.

    Raises
    ------
    BackboneError
        If the stride does not divide the patch, or the model comes from timm.
    """
    if stride == vit.patch:
        return
    if stride < 1 or vit.patch % stride:
        divisors = [d for d in range(1, vit.patch + 1) if vit.patch % d == 0]
        raise BackboneError(
            f"stride {stride} does not divide the patch, {vit.patch}; use one of {divisors}"
        )
    if isinstance(vit, TimmVit):
        raise BackboneError(
            f"stride {stride} is not available for timm models; use the same model in the format "
            f"of transformers, or leave the stride at the patch, {vit.patch}"
        )
    vit.projection.stride = (stride, stride)
    model = vit.model
    if vit.kind == "dinov3_vit":
        model.rope_embeddings = StridedRotary(model.rope_embeddings, vit.patch, stride)
    else:
        model.embeddings.interpolate_pos_encoding = partial(
            strided_positions, model.embeddings.interpolate_pos_encoding, vit.patch, stride
        )


def pad_for_stride(images: torch.Tensor, patch: int, stride: int) -> torch.Tensor:
    """Mirror the border of images (B, 3, H, W) so that the grid is (H / stride, W / stride)."""
    if stride == patch:
        return images
    before = (patch - stride) // 2
    after = patch - stride - before
    return functional.pad(images, (before, after, before, after), mode="reflect")


def as_if_apart(side: int, patch: int, stride: int) -> int:
    """Return the side of an image whose patches, side by side, are as many as here overlap."""
    return ((side - patch) // stride + 1) * patch


def strided_positions(
    interpolate: Any, patch: int, stride: int, tokens: torch.Tensor, height: int, width: int
) -> torch.Tensor:
    """Interpolate the position table to the denser grid, with the model's own code."""
    return interpolate(
        tokens, as_if_apart(height, patch, stride), as_if_apart(width, patch, stride)
    )


class StridedRotary(nn.Module):
    """Compute rotary positions for the denser grid, with the model's own code."""

    def __init__(self, rotary: nn.Module, patch: int, stride: int) -> None:
        super().__init__()
        self.rotary = rotary
        self.patch = patch
        self.stride = stride

    def forward(self, images: torch.Tensor) -> Any:
        """Return what the model's rotary embedding gives for an image of the grid's size."""
        sides = [as_if_apart(side, self.patch, self.stride) for side in images.shape[-2:]]
        return self.rotary(images.new_empty(()).expand(1, 1, *sides))  # only its shape is read
