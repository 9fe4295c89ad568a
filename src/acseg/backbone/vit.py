"""Running a ViT block by block: one way for the models of transformers, one for those of timm.

Both give the tokens of the blocks asked for after the ViT's final layer norm, while an `Attention`
watches the last block. Prefix tokens (CLS, registers) are counted from the configuration, cut off.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from acseg.backbone.attention import Attention, Enough
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

    def embed(self, images: Tensor) -> tuple[Tensor, dict[str, Any]]:
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
        self, tokens: Tensor, blocks: Sequence[int], attention: Attention, **extra: Any
    ) -> Tensor:
        """Run the blocks; those above the last one asked for only as far as attention needs them.

        Parameters
        ----------
        tokens : torch.Tensor
            (B, T, D) of `embed`.
        blocks : sequence of int
            Whose tokens are wanted, 1..layers, ascending.
        attention : Attention
            Entered already; keeps what the last block attended to.
        **extra
            Of `embed`.

        Returns
        -------
        torch.Tensor
            (B, N, D * len(blocks)); see `join_blocks`.
        """
        norm = self.model.norm if self.kind == "dinov3_vit" else self.model.layernorm
        wanted: dict[int, Tensor] = {}
        for number, layer in enumerate(self.blocks, start=1):
            attention.stop = number == self.layers and number not in blocks
            try:
                tokens = layer(tokens, **extra)
            except Enough:
                break
            if number in blocks:
                wanted[number] = norm(tokens)[:, self.prefix :]
        attention.stop = False
        return join_blocks([wanted[number] for number in blocks])

    def forward(self, images: Tensor, blocks: Sequence[int], attention: Attention) -> Tensor:
        """Turn images (B, 3, H, W) into the tokens (B, N, D * len(blocks)) of blocks."""
        tokens, extra = self.embed(images)
        return self.run(tokens, blocks, attention, **extra)


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

    def forward(self, images: Tensor, blocks: Sequence[int], attention: Attention) -> Tensor:
        """Turn images (B, 3, H, W) into the tokens (B, N, D * len(blocks)) of blocks.

        `attention` was entered already. Every block runs, and the last one is remembered.
        """
        found = self.model.timm_model.forward_intermediates(
            images,
            indices=[block - 1 for block in blocks],
            norm=True,
            output_fmt="NLC",
            intermediates_only=True,
        )
        return join_blocks(found)


def join_blocks(tokens: Sequence[Tensor]) -> Tensor:
    """Join the tokens of blocks along D.

    Parameters
    ----------
    tokens : sequence of torch.Tensor
        (B, N, D) of each block, after the final layer norm.

    Returns
    -------
    torch.Tensor
        (B, N, D * len(tokens)). One block stays as it is; of several, each is brought to unit
        length first, so that all count alike in a cosine.
    """
    if len(tokens) == 1:
        return tokens[0]
    return torch.cat([functional.normalize(each.float(), dim=-1) for each in tokens], dim=-1)


def keep_every_patch(sequence: Tensor, noise: Tensor | None = None) -> tuple[Tensor, None, None]:
    """Stand in for MAE's random masking: hand on all patches in their own order."""
    return sequence, None, None
