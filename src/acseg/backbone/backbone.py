"""A frozen ViT as one object: images in, tokens and attention out."""

import logging
import threading
from collections.abc import Sequence

import torch
from torch import nn

from acseg.backbone.attention import Attention
from acseg.backbone.blocks import block_inputs
from acseg.backbone.families import Family, Rgb
from acseg.backbone.features import Features
from acseg.backbone.precision import bfloat16_hardware
from acseg.backbone.runtime import Engine, make_engine
from acseg.backbone.stride import pad_for_stride, set_stride
from acseg.backbone.vit import TimmVit, TransformersVit
from acseg.errors import BackboneError

log = logging.getLogger("acseg")


class Backbone(nn.Module):
    """Turn images into tokens with a frozen self-supervised ViT.

    Made by `acseg.backbone.load.load_backbone`. Always in evaluation mode, without gradients, and
    safe to share between threads.

    Parameters
    ----------
    vit : TransformersVit or TimmVit
        The ViT; changed in place where a stride is set.
    name : str
        What people call it.
    model_type : str
        The key of its family.
    family : Family
        Its row of the table.
    blocks : int or sequence of int, optional
        Whose tokens are wanted, 1..layers, or negative from the end (-1 is the last). Default: the
        family's. Tokens of several blocks are brought to unit length and joined along D.
    stride : int, optional
        Pixels between neighbouring patches, a divisor of the patch. Default: the patch.
    mean, std : tuple of float, optional
        Of RGB 0..1. Default: the family's.
    precision : torch.dtype
        Of the matrix products, float32 (default) or bfloat16. In torch, layer norms and the
        residual sum stay float32.
    runtime : str
        What runs the blocks: "torch" (default) or "openvino".
    spare : bool
        Continue in torch, with a warning, where the runtime fails to take over the blocks; default
        false, which lets the error out.

    Attributes
    ----------
    name, family, runtime : str
        As above; `family` is the key, such as "dinov2".
    blocks : tuple of int
        Whose tokens are given, 1..layers, ascending.
    patch, stride, dim, layers, prefix : int
        Side of a patch, step between patches, D (of all `blocks` together), number of blocks of the
        ViT, number of tokens before those of the patches (CLS and registers).
    """

    def __init__(
        self,
        vit: TransformersVit | TimmVit,
        *,
        name: str,
        model_type: str,
        family: Family,
        blocks: int | Sequence[int] | None = None,
        stride: int | None = None,
        mean: Rgb | None = None,
        std: Rgb | None = None,
        precision: torch.dtype = torch.float32,
        runtime: str = "torch",
        spare: bool = False,
    ) -> None:
        super().__init__()
        self.name = name
        self.family = model_type
        self.layers = vit.layers
        self.patch = vit.patch
        self.prefix = vit.prefix
        self.stride = vit.patch if stride is None else stride
        self.blocks = choose_blocks(blocks, vit.layers, family)
        self.dim = vit.dim * len(self.blocks)
        self.precision = precision
        self.banded = bool(bfloat16_hardware(torch.device("cpu")))  # else plain products are slow
        self.runtime = runtime
        self.spare = spare
        set_stride(vit, self.stride)
        self.vit = vit
        self._engine: Engine | None = None
        self._opening = threading.Lock()
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", torch.tensor(mean or family.mean).view(3, 1, 1), False)
        self.register_buffer("std", torch.tensor(std or family.std).view(3, 1, 1), False)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode whatever `mode` is: a backbone is frozen."""
        return super().train(False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.mean.device

    def grid_of(self, height: int, width: int) -> tuple[int, int]:
        """Return the grid (h, w) of an image of this size.

        Raises
        ------
        ValueError
            If a side is no multiple of the patch; names the nearest sizes.
        """
        for side, word in ((height, "high"), (width, "wide")):
            if side < self.patch or side % self.patch:
                lower = side // self.patch * self.patch
                nearest = f"{lower} or {lower + self.patch}" if lower else f"{self.patch}"
                raise ValueError(
                    f"images are {height} x {width} (height x width), but {self.name} needs both "
                    f"sides to be multiples of its patch, {self.patch}: make them {nearest} {word}"
                )
        return height // self.stride, width // self.stride

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute tokens (B, N, D) and attention (B, N): tensors only, in torch.

        Parameters
        ----------
        images : torch.Tensor
            (B, 3, H, W) float32 RGB 0..1 on this device, sides multiples of the patch.
        """
        images = self.prepare(images)
        lower = self.precision != torch.float32
        with (
            torch.autocast(images.device.type, self.precision, enabled=lower),
            Attention(banded=self.banded) as attention,
        ):
            tokens = self.vit(images, self.blocks, attention)
        return tokens.float(), attention.cls_row(self.prefix)

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Take off mean and standard deviation, and pad for overlapping patches."""
        return pad_for_stride((images - self.mean) / self.std, self.patch, self.stride)

    def encode_elsewhere(
        self, engine: Engine, images: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute what `encode` does, the blocks in another runtime."""
        assert isinstance(self.vit, TransformersVit)  # noqa: S101  # choose_runtime saw to it
        return engine(*block_inputs(*self.vit.embed(self.prepare(images))))

    def engine(self) -> Engine | None:
        """Give what runs the blocks, opened at the first call; None for torch."""
        with self._opening:
            if (
                isinstance(self.vit, TransformersVit)
                and self.runtime != "torch"
                and not self._engine
            ):
                try:
                    self._engine = make_engine(
                        self.vit, blocks=self.blocks, precision=self.precision
                    )
                except Exception as error:  # exporters and runtimes have no common error
                    if not self.spare:
                        raise BackboneError(
                            f"{self.runtime} cannot take over the backbone {self.name!r}: "
                            f"{one_line(error)}; use --runtime torch"
                        ) from error
                    log.warning("runtime: torch, as %s failed: %s", self.runtime, one_line(error))
                    self.runtime = "torch"
            return self._engine

    def forward(self, images: torch.Tensor) -> Features:
        """Turn a batch of images into tokens and attention.

        Parameters
        ----------
        images : torch.Tensor
            (B, 3, H, W) floating point, RGB 0..1, on any device; H and W multiples of the patch.
            Mean and standard deviation are taken off here.

        Returns
        -------
        Features
            float32 on the backbone's device, N = (H / stride) * (W / stride). Ordinary tensors,
            which a training may use.

        Raises
        ------
        ValueError
            If shape, number type or size do not fit.
        """
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise ValueError(
                f"images must be (B, 3, H, W) floating point in 0..1, got {tuple(images.shape)} "
                f"{images.dtype}"
            )
        grid = self.grid_of(images.shape[-2], images.shape[-1])
        engine = self.engine()
        with torch.inference_mode():
            images = moved(images, self.device)
            if engine is None:
                tokens, attention = self.encode(images)
            else:
                tokens, attention = self.encode_elsewhere(engine, images)
        return Features(tokens.clone(), grid, attention.clone())  # clones may enter a training

    def extra_repr(self) -> str:
        """Describe the settings in one line."""
        return (
            f"{self.name}, {of_blocks(self.blocks)} of {self.layers}, "
            f"patch {self.patch}, stride {self.stride}, {self.precision}, {self.runtime}"
        )


def moved(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Bring images to a device as float32; to a GPU from pinned memory, channels last."""
    if device.type != "cuda":
        return images.to(device, torch.float32)
    if images.device.type == "cpu":
        images = images.pin_memory().to(device, non_blocking=True)  # as uint8 or half if it is so
    return images.to(device, torch.float32, memory_format=torch.channels_last)


def one_line(error: Exception) -> str:
    """Put what an error goes back to in one line of at most 200 letters."""
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]


def of_blocks(blocks: Sequence[int]) -> str:
    """Put the chosen blocks in words: "block 12", "blocks 9, 10, 11, 12"."""
    return f"block{'s' * (len(blocks) > 1)} {', '.join(map(str, blocks))}"


def choose_blocks(
    blocks: int | Sequence[int] | None, layers: int, family: Family
) -> tuple[int, ...]:
    """Turn the setting `blocks` into numbers 1..layers, ascending.

    Parameters
    ----------
    blocks : int, sequence of int, or None
        Negative numbers count from the end; None is the family's default block.
    layers : int
        The number of blocks of the ViT.
    family : Family

    Raises
    ------
    BackboneError
        If there is no such block, one is named twice, or none at all.
    """
    if blocks is None:
        return (family.default_block(layers),)
    given = [blocks] if isinstance(blocks, int) else list(blocks)
    chosen = [layers + 1 + block if block < 0 else block for block in given]
    for block, number in zip(given, chosen, strict=True):
        if not 1 <= number <= layers:
            raise BackboneError(
                f"block {block} does not exist: this backbone has blocks 1 to {layers} "
                f"(or -1, the last, to -{layers})"
            )
    if not chosen or len(set(chosen)) < len(chosen):
        raise BackboneError(f"blocks must be one or more, each named once, not {tuple(given)}")
    return tuple(sorted(chosen))
