"""The networks of a pre-training: a ViT with two heads, and the student's predictors."""

from typing import Any

import torch
from torch import Tensor, nn

MEAN, STD = 0.5, 0.25  # of RGB 0..1, written to the checkpoint's preprocessor_config.json
HIDDEN, PROJECTION = 512, 128


def new_vit(dim: int, layers: int, heads: int, patch: int, side: int) -> Any:
    """Make a plain ViT of transformers with position embeddings that start as sines."""
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=dim,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * dim,
        image_size=side,
        patch_size=patch,
    )
    vit = ViTModel(config, add_pooling_layer=False)
    positions = vit.embeddings.position_embeddings
    positions.data[0, 1:] = 0.5 * sine_positions(dim, side // patch)
    return vit


def sine_positions(dim: int, cells: int) -> Tensor:
    """Sines and cosines of row and column, (cells * cells, dim); dim is a multiple of 4."""
    quarter = dim // 4
    waves = 100.0 ** (-torch.arange(quarter) / quarter)
    rows, columns = torch.meshgrid(torch.arange(cells), torch.arange(cells), indexing="ij")
    phases = [axis.flatten().float()[:, None] * waves for axis in (rows, columns)]
    return torch.cat([f(p) for p in phases for f in (torch.sin, torch.cos)], dim=1)


def _head(inputs: int) -> nn.Sequential:
    """Two layers into the space of a contrast."""
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, PROJECTION))


class Network(nn.Module):
    """A ViT with a head for regions and a head for whole pictures."""

    def __init__(self, vit: Any) -> None:
        super().__init__()
        self.vit = vit
        self.region_head = _head(vit.config.hidden_size)
        self.picture_head = _head(vit.config.hidden_size)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Encode images (B, 3, s, s) in 0..1 to CLS (B, D) and pixels (B, N, D)."""
        tokens = self.vit((images - MEAN) / STD, interpolate_pos_encoding=True).last_hidden_state
        return tokens[:, 0], tokens[:, 1:]


class Student(Network):
    """A network with predictors, which the teacher lacks."""

    def __init__(self, vit: Any) -> None:
        super().__init__(vit)
        self.region_predictor = _head(PROJECTION)
        self.picture_predictor = _head(PROJECTION)
