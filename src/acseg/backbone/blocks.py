"""The part of a ViT that another runtime takes over: its blocks.

Cutting images into patches and adding positions stays in torch: it is about one per cent of the
work, and it is where families differ (interpolated tables, rotary angles, overlapping patches).
What is left takes tokens of any number of images and of any number of patches: it is exported once.
"""

from typing import Any

import torch
from torch import Tensor, nn

from acseg.backbone.attention import Attention
from acseg.backbone.vit import TransformersVit


class Blocks(nn.Module):
    """Turn embedded patches into tokens and attention, tensors only.

    Parameters
    ----------
    vit : TransformersVit
    blocks : tuple of int
        Whose tokens are wanted, 1..layers.
    """

    def __init__(self, vit: TransformersVit, blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.vit = vit
        self.blocks = blocks

    def forward(
        self, tokens: Tensor, cos: Tensor | None = None, sin: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Turn (B, T, D) into tokens (B, N, D') and attention (B, N), both float32.

        DINOv3 takes the cosines and sines (N, d) of its rotary positions besides.
        """
        extra = {} if cos is None else {"position_embeddings": (cos, sin)}
        with Attention() as attention:
            tokens = self.vit.run(tokens, self.blocks, attention, **extra)
        return tokens.float(), attention.cls_row(self.vit.prefix)


def block_inputs(tokens: Tensor, extra: dict[str, Any]) -> tuple[Tensor, ...]:
    """Line up what `Blocks` takes, from what `TransformersVit.embed` gave."""
    return (tokens, *extra.get("position_embeddings", ()))


def portable_blocks(
    vit: TransformersVit, blocks: tuple[int, ...]
) -> tuple[Blocks, tuple[Tensor, ...]]:
    """Give the blocks of a ViT and an example of what they take."""
    module = Blocks(vit, blocks).eval()
    side = 3 * vit.patch
    with torch.no_grad():
        example = block_inputs(*vit.embed(torch.zeros(2, 3, side, side + vit.patch)))
    return module, example


def can_leave_torch(vit: nn.Module) -> bool:
    """Tell whether another runtime can take the blocks of this ViT: not those of timm."""
    return isinstance(vit, TransformersVit)
