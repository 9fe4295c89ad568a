"""Tiny checkpoints of every family, written in the Hugging Face format with random weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModel

# Patch 4, so that small images have many pixels. Blocks: 6, so that 10/12 of them is 5.
COMMON = {
    "hidden_size": 32,
    "num_hidden_layers": 6,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 4,
}
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("ViT", {"intermediate_size": 48}),
    "dinov2": ("Dinov2", {"mlp_ratio": 2}),
    "dinov2_with_registers": ("Dinov2WithRegisters", {"mlp_ratio": 2, "num_register_tokens": 3}),
    "dinov3_vit": ("DINOv3ViT", {"intermediate_size": 48, "num_register_tokens": 2}),
    "vit_mae": ("ViTMAE", {"intermediate_size": 48}),
    "vit_msn": ("ViTMSN", {"intermediate_size": 48}),
}
KINDS = list(CONFIGS)


def make_model(kind: str, **changes: Any) -> Any:
    """A tiny model with weights so large that positions, registers and attention all matter."""
    label, own = CONFIGS[kind]
    config = getattr(transformers, f"{label}Config")(**(COMMON | own | changes))
    more = {"add_pooling_layer": False} if kind == "vit" else {}
    model = getattr(transformers, f"{label}Model")(config, **more)
    generator = torch.Generator().manual_seed(7)
    for name, weight in model.named_parameters():
        values = 0.2 * torch.randn(weight.shape, generator=generator)
        weight.data = values + (1 if "norm" in name and name.endswith("weight") else 0)
    return model.eval()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give the folder of a tiny checkpoint of a kind; written once."""
    root = tmp_path_factory.mktemp("checkpoints")

    def give(kind: str) -> Path:
        if not (root / kind).exists():
            make_model(kind).save_pretrained(root / kind)
        return root / kind

    return give


def reference(kind: str, folder: Path, images: torch.Tensor) -> Any:
    """The model's own slow output: hidden_states, attentions, last_hidden_state; ImageNet norm."""
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    more: dict[str, Any] = {}
    if kind in ("vit", "vit_mae", "vit_msn"):
        more["interpolate_pos_encoding"] = True
    if kind == "vit_mae":  # nothing masked, and noise that leaves the patches in order
        model.config.mask_ratio = 0.0
        pixels = (images.shape[-2] // 4) * (images.shape[-1] // 4)
        more["noise"] = torch.arange(pixels).expand(len(images), -1)
    with torch.no_grad():
        return model(
            (images - mean) / std, output_hidden_states=True, output_attentions=True, **more
        )


def final_norm(kind: str, folder: Path) -> torch.nn.Module:
    model = AutoModel.from_pretrained(folder)
    return model.norm if kind == "dinov3_vit" else model.layernorm


PREFIX = {
    "vit": 1,
    "dinov2": 1,
    "dinov2_with_registers": 4,
    "dinov3_vit": 3,
    "vit_mae": 1,
    "vit_msn": 1,
}
