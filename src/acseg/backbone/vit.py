"""Running a ViT block by block: one way for the models of transformers, one for those of timm.

Both give the same: the pixels of one block after the ViT's final layer norm, and the attention of
the last block. Prefix tokens (CLS, registers) are counted from the configuration and cut off.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from acseg.backbone.attention import LastAttention
from acseg.errors import BackboneError


def one_side(value: Any, what: str) -> int:
    """Return the side of a square that a configuration gives as a number or a pair."""
    sides = set(value) if isinstance(value, Iterable) else {value}
    if len(sides) != 1:
        raise BackboneError(f"this backbone has a {what} of {value}; acseg needs it to be square")
    return int(sides.pop())


class TransformersVit(nn.Module):
    """Run a ViT of transformers (DINO, DINOv2, DINOv3, MAE, MSN).

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Whose attention implementation is "sdpa".
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        config = model.config
        self.model = model
        self.kind = config.model_type
        self.layers = int(config.num_hidden_layers)
        self.dim = int(config.hidden_size)
        self.patch = one_side(config.patch_size, "patch")
        self.prefix = 1 + int(getattr(config, "num_register_tokens", 0))
        one_side(config.image_size, "training image size")
        if self.kind == "vit_mae":
            model.embeddings.random_masking = keep_every_patch

    @property
    def blocks(self) -> nn.ModuleList:
        """The blocks, first to last."""
        for module in self.model.modules():
            if isinstance(module, nn.ModuleList) and len(module) == self.layers:
                return module
        raise BackboneError(f"no list of {self.layers} blocks found in {type(self.model).__name__}")

    @property
    def projection(self) -> nn.Conv2d:
        """The convolution that turns patches into tokens."""
        return next(m for m in self.model.embeddings.modules() if isinstance(m, nn.Conv2d))

    def embed(self, images: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
        """Turn images (B, 3, H, W) into tokens (B, T, D) and what every block needs besides."""
        embeddings = self.model.embeddings
        if self.kind == "dinov3_vit":
            return embeddings(images), {"position_embeddings": self.model.rope_embeddings(images)}
        if self.kind.startswith("dinov2"):  # always interpolates
            return embeddings(images), {}
        if self.kind == "vit_mae":
            return embeddings(images, interpolate_pos_encoding=True)[0], {}
        return embeddings(images, interpolate_pos_encoding=True), {}

    def run(
        self, tokens: torch.Tensor, block: int, **extra: Any
    ) -> tuple[torch.Tensor, LastAttention]:
        """Turn tokens (B, T, D) of `embed` into the pixels of `block` and the last attention."""
        attention = LastAttention()
        chosen = tokens
        for number, layer in enumerate(self.blocks, start=1):
            if number == self.layers:
                with attention:
                    tokens = layer(tokens, **extra)
            else:
                tokens = layer(tokens, **extra)
            if number == block:
                chosen = tokens
        norm = self.model.norm if self.kind == "dinov3_vit" else self.model.layernorm
        return norm(chosen)[:, self.prefix :], attention

    def forward(self, images: torch.Tensor, block: int) -> tuple[torch.Tensor, LastAttention]:
        """Return the pixels (B, N, D) of `block` (1..layers) and the last block's attention."""
        tokens, extra = self.embed(images)
        return self.run(tokens, block, **extra)


class TimmVit(nn.Module):
    """Run a ViT of timm, wrapped by transformers' TimmWrapperModel.

    Parameters
    ----------
    model : transformers.TimmWrapperModel
        Holding a ViT with a CLS token; made with `dynamic_img_size`.
    name : str
        For the error.

    Raises
    ------
    BackboneError
        If the model is not such a ViT.
    """

    def __init__(self, model: Any, name: str) -> None:
        super().__init__()
        self.model = model
        vit = model.timm_model
        needed = ("blocks", "patch_embed", "num_prefix_tokens", "forward_intermediates")
        if not all(hasattr(vit, part) for part in needed):
            raise BackboneError(f"the timm model {name!r} is not a ViT: {type(vit).__name__}")
        if getattr(vit, "cls_token", None) is None:
            raise BackboneError(
                f"the timm model {name!r} has no CLS token, and the foreground score needs its "
                "attention; choose a ViT with one, for example timm/vit_small_patch16_224.dino"
            )
        self.layers = len(vit.blocks)
        self.dim = int(vit.embed_dim)
        self.patch = one_side(vit.patch_embed.patch_size, "patch")
        self.prefix = int(vit.num_prefix_tokens)

    def forward(self, images: torch.Tensor, block: int) -> tuple[torch.Tensor, LastAttention]:
        """Return the pixels (B, N, D) of `block` (1..layers) and the last block's attention."""
        with LastAttention() as attention:  # every block runs; the last one is remembered
            (pixels,) = self.model.timm_model.forward_intermediates(
                images, indices=[block - 1], norm=True, output_fmt="NLC", intermediates_only=True
            )
        return pixels, attention


def keep_every_patch(
    sequence: torch.Tensor, noise: torch.Tensor | None = None
) -> tuple[torch.Tensor, None, None]:
    """Stand in for MAE's random masking: hand on all patches in their own order."""
    return sequence, None, None
