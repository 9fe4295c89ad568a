"""A frozen ViT as one object: images in, pixels and attention out."""

import logging
import threading

import torch
from torch import nn

from acseg.backbone.banded import BandedAttention
from acseg.backbone.blocks import block_inputs
from acseg.backbone.families import Family, Rgb
from acseg.backbone.features import Features
from acseg.backbone.runtime import Engine, make_engine
from acseg.backbone.stride import pad_for_stride, set_stride
from acseg.backbone.vit import TimmVit, TransformersVit
from acseg.errors import BackboneError

log = logging.getLogger("acseg")


class Backbone(nn.Module):
    """Turn images into pixels with a frozen self-supervised ViT.

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
    block : int, optional
        Whose tokens are the pixels, 1..layers, or negative from the end (-1 is the last). Default:
        the family's.
    stride : int, optional
        Image points between neighbouring patches, a divisor of the patch. Default: the patch.
    features : str
        "tokens" (default), or "keys" of the last block, where the family allows it.
    mean, std : tuple of float, optional
        Of RGB 0..1. Default: the family's.
    precision : torch.dtype
        Of the matrix products, float32 (default) or bfloat16. In torch, layer norms and the
        residual sum stay float32.
    runtime : str
        What runs the blocks: "torch" (default), "openvino" or "onnx".
    spare : bool
        Go on in torch, with a warning, where the runtime fails to take over the blocks; default
        false, which lets the error out.

    Attributes
    ----------
    name, family, runtime : str
        As above; `family` is the key, such as "dinov2".
    patch, stride, dim, block, layers, prefix : int
        Side of a patch, step between patches, D, the chosen block, number of blocks, number of
        tokens before the pixels (CLS and registers).
    """

    def __init__(
        self,
        vit: TransformersVit | TimmVit,
        *,
        name: str,
        model_type: str,
        family: Family,
        block: int | None = None,
        stride: int | None = None,
        features: str = "tokens",
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
        self.dim = vit.dim
        self.prefix = vit.prefix
        self.stride = vit.patch if stride is None else stride
        self.block = choose_block(block, vit.layers, family)
        self.features = features
        self.precision = precision
        check_features(features, self.block, vit.layers, name, family)
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
        """Stay in evaluation mode, whatever is asked: a backbone is frozen."""
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
        """Compute pixels (B, N, D) and attention (B, N): tensors only, in torch.

        Parameters
        ----------
        images : torch.Tensor
            (B, 3, H, W) float32 RGB 0..1 on this device, sides multiples of the patch.
        """
        images = self.prepare(images)
        lower = self.precision != torch.float32
        with torch.autocast(images.device.type, self.precision, enabled=lower), BandedAttention():
            pixels, last = self.vit(images, self.block)
        if self.features == "keys":
            pixels = last.keys(self.prefix)
        return pixels.float(), last.cls_row(self.prefix)

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
                        self.runtime,
                        self.vit,
                        block=self.block,
                        features=self.features,
                        precision=self.precision,
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
        """Turn a batch of images into pixels and attention.

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
                pixels, attention = self.encode(images)
            else:
                pixels, attention = self.encode_elsewhere(engine, images)
        return Features(pixels.clone(), grid, attention.clone())  # clones may enter a training

    def extra_repr(self) -> str:
        """Describe the settings in one line."""
        return (
            f"{self.name}, {self.features} of block {self.block} of {self.layers}, "
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


def choose_block(block: int | None, layers: int, family: Family) -> int:
    """Turn the setting `block` into a number 1..layers.

    Raises
    ------
    BackboneError
        If there is no such block.
    """
    if block is None:
        return family.default_block(layers)
    chosen = layers + 1 + block if block < 0 else block
    if not 1 <= chosen <= layers:
        raise BackboneError(
            f"block {block} does not exist: this backbone has blocks 1 to {layers} "
            f"(or -1, the last, to -{layers})"
        )
    return chosen


def check_features(features: str, block: int, layers: int, name: str, family: Family) -> None:
    """Refuse a setting `features` that is unknown or does not suit the family.

    Raises
    ------
    BackboneError
        Saying why.
    """
    if features not in ("tokens", "keys"):
        raise BackboneError(f"unknown features {features!r}; use tokens or keys")
    if features == "tokens":
        return
    if family.keys:
        raise BackboneError(
            f"features='keys' is refused for {name} ({family.label}): {family.keys}"
        )
    if block != layers:
        raise BackboneError(
            f"features='keys' are those of the last block, {layers}, not of block {block}"
        )
