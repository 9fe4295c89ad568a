"""From the names of the official DINO and DINOv2 checkpoints to those of transformers."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from acseg.errors import BackboneError

WRAPPERS = ("teacher", "state_dict", "model", "student")  # of full checkpoints, best first
PREFIXES = ("module.", "backbone.", "_orig_mod.")
BLOCK = re.compile(r"blocks\.(?:\d+\.)?(\d+)\.(.+)")  # chunked as well: blocks.CHUNK.NUMBER.
OUTSIDE = {
    "cls_token": "embeddings.cls_token",
    "mask_token": "embeddings.mask_token",
    "register_tokens": "embeddings.register_tokens",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
    "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
    "norm.weight": "layernorm.weight",
    "norm.bias": "layernorm.bias",
}
DINO_BLOCK = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
    "attn.proj": "attention.output.dense",
}
DINOV2_BLOCK = {
    "norm1": "norm1",
    "norm2": "norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "mlp.w12": "mlp.weights_in",
    "mlp.w3": "mlp.weights_out",
    "attn.proj": "attention.output.dense",
}
SCALES = {"ls1.gamma": "layer_scale1.lambda1", "ls2.gamma": "layer_scale2.lambda1"}


def unwrap(content: Any) -> dict[str, Tensor]:
    """Take the weights of the teacher out of what a checkpoint file holds.

    Parameters
    ----------
    content : object
        A table of tensors, or tables within tables, as training writes them
        (`{"teacher": {"module.backbone.cls_token": ...}}`).

    Returns
    -------
    dict of str to Tensor
        Without the prefixes of wrappers; empty where there are no tensors.
    """
    while isinstance(content, Mapping):
        inner = next((content[w] for w in WRAPPERS if isinstance(content.get(w), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping):
        return {}
    found = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    stripped: dict[str, Tensor] = {}
    for name, value in found.items():
        while name.startswith(PREFIXES):
            name = name.partition(".")[2]
        stripped[name] = value
    return stripped


def is_official(weights: Mapping[str, Tensor]) -> bool:
    """Tell whether weights have the names of the official checkpoints."""
    return "pos_embed" in weights and "patch_embed.proj.weight" in weights


def from_official(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename official weights to transformers' names; those of the projection head are left out.

    Parameters
    ----------
    weights : mapping of str to Tensor
        Of `unwrap`.

    Raises
    ------
    BackboneError
        If a block holds something that no DINO or DINOv2 has.
    """
    scaled = any(name.endswith("ls1.gamma") for name in weights)
    table = DINOV2_BLOCK if scaled else DINO_BLOCK
    renamed: dict[str, Tensor] = {}
    for name, weight in weights.items():
        inside = BLOCK.fullmatch(name)
        if inside is None:
            if name in OUTSIDE:
                renamed[OUTSIDE[name]] = weight
            continue
        prefix, part = f"encoder.layer.{inside[1]}", inside[2]
        stem, _, end = part.rpartition(".")
        if part in SCALES:
            renamed[f"{prefix}.{SCALES[part]}"] = weight
        elif stem == "attn.qkv" and len(weight) % 3 == 0:
            for one, third in zip(("query", "key", "value"), weight.chunk(3), strict=True):
                renamed[f"{prefix}.attention.attention.{one}.{end}"] = third
        elif stem in table and end in ("weight", "bias"):
            renamed[f"{prefix}.{table[stem]}.{end}"] = weight
        else:
            raise BackboneError(f"found the weight {name}, which no DINO or DINOv2 has")
    return renamed


NEWER = (  # names of transformers 5 that differ from those on the hub
    (re.compile(r"^layers\."), "encoder.layer."),
    (re.compile(r"\.attention\.q_proj\."), ".attention.attention.query."),
    (re.compile(r"\.attention\.k_proj\."), ".attention.attention.key."),
    (re.compile(r"\.attention\.v_proj\."), ".attention.attention.value."),
    (re.compile(r"\.attention\.o_proj\."), ".attention.output.dense."),
)


def from_transformers(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bring weights with any of transformers' names to those of the checkpoints on the hub."""
    renamed: dict[str, Tensor] = {}
    for name, weight in weights.items():
        for pattern, new in NEWER:
            name = pattern.sub(new, name)
        renamed[name] = weight
    gates = [name for name in renamed if ".mlp.gate_proj." in name]
    for gate in gates:
        up, into = gate.replace("gate_proj", "up_proj"), gate.replace("gate_proj", "weights_in")
        if up in renamed:
            renamed[into] = torch.cat([renamed.pop(gate), renamed.pop(up)])
    renamed = {
        name.replace(".mlp.down_proj.", ".mlp.weights_out."): w for name, w in renamed.items()
    }
    if any("layernorm_before" in name for name in renamed):
        for old, new in ((".mlp.fc1.", ".intermediate.dense."), (".mlp.fc2.", ".output.dense.")):
            renamed = {name.replace(old, new): weight for name, weight in renamed.items()}
    return renamed
