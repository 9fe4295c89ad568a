"""The part of a ViT that another runtime takes over: its blocks.

Cutting images into patches and adding positions stays in torch: it is about one per cent of the
work, and it is where families differ (interpolated tables, rotary angles, overlapping patches).
What is left takes tokens of any number of images and of any number of patches: it is exported once.
"""

from typing import Any

import torch
from torch import Tensor, nn

from acseg.backbone.vit import TransformersVit


class Blocks(nn.Module):
    """Turn tokens into pixels and attention, tensors only.

    Parameters
    ----------
    vit : TransformersVit
    block : int
        Whose tokens are the pixels, 1..layers.
    features : str
        "tokens" or "keys".
    """

    def __init__(self, vit: TransformersVit, block: int, features: str) -> None:
        super().__init__()
        self.vit = vit
        self.block = block
        self.features = features

    def forward(
        self, tokens: Tensor, cos: Tensor | None = None, sin: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Turn tokens (B, T, D) into pixels (B, N, D) and attention (B, N), both float32.

        DINOv3 takes the cosines and sines (N, d) of its rotary positions besides.
        """
        extra = {} if cos is None else {"position_embeddings": (cos, sin)}
        pixels, last = self.vit.run(tokens, self.block, **extra)
        if self.features == "keys":
            pixels = last.keys(self.vit.prefix)
        return pixels.float(), last.cls_row(self.vit.prefix)


def block_inputs(tokens: Tensor, extra: dict[str, Any]) -> tuple[Tensor, ...]:
    """Line up what `Blocks` takes, from what `TransformersVit.embed` gave."""
    return (tokens, *extra.get("position_embeddings", ()))


def portable_blocks(
    vit: TransformersVit, block: int, features: str
) -> tuple[Blocks, tuple[Tensor, ...]]:
    """Give the blocks of a ViT and an example of what they take."""
    blocks = Blocks(vit, block, features).eval()
    side = 3 * vit.patch
    with torch.no_grad():
        example = block_inputs(*vit.embed(torch.zeros(2, 3, side, side + vit.patch)))
    return blocks, example


def can_leave_torch(vit: nn.Module) -> bool:
    """Tell whether another runtime can take the blocks of this ViT: not those of timm."""
    return isinstance(vit, TransformersVit)
