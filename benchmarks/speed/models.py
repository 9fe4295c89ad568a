"""Models of random weights and generated photographs: what is timed does not depend on either."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter

from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.model import ACSeg

SMALL = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "patch_size": 8}
TINY = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1, "patch_size": 8}


def random_vit(folder: Path, shape: dict[str, int]) -> Path:
    """Write a ViT of random weights as transformers does."""
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    config = ViTConfig(**shape, intermediate_size=4 * shape["hidden_size"], image_size=224)
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def random_run(
    folder: Path, vit: Path, *, side: int, classes: int | None = None, **more: Any
) -> Path:
    """Write a RUN whose generator, and classes if any, are random."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {"side": side, "merge": 1.0, **more}
    model = ACSeg(str(vit), device="cpu", precision="float32", runtime="torch", **settings)
    dim = model.backbone.dim
    model.generator_ = AdaptiveConceptGenerator(dim).eval().requires_grad_(False)
    if classes:
        model.centres_ = np.random.default_rng(0).normal(size=(classes, dim)).astype(np.float32)
    model.save(folder)
    return folder


def photographs(folder: Path, count: int, size: tuple[int, int] = (640, 480)) -> Path:
    """Write JPEGs of soft blobs: some colours, some texture, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    width, height = size
    for index in range(count):
        coarse = random.integers(0, 255, (max(2, height // 80), max(2, width // 80), 3), np.uint8)
        picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        if width >= 320:
            noise = random.integers(0, 40, (height, width, 3), np.uint8)
            soft = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1))
            picture = Image.blend(picture, soft, 0.2)
        picture.save(folder / f"{index:05d}.jpg", quality=90)
    return folder
