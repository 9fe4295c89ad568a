"""What a checkpoint of DINO or DINOv2 holds: names and shapes of weights, by transformers' names.

The names are those of the checkpoints on the hub, which every release of transformers reads:
`encoder.layer.0.attention.attention.query.weight` for example.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from acseg.errors import BackboneError

HEAD = 64  # the width of a head in every model that DINO and DINOv2 published
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """The sizes of a ViT.

    Attributes
    ----------
    kind : str
        "vit" (DINO), "dinov2" or "dinov2_with_registers".
    dim, layers, patch, hidden : int
        Width of a token, number of blocks, side of a patch in px, width of the feed-forward.
    side : int
        Patches on a side of the pictures of its training.
    registers : int
        0 where there are none.
    gated : bool
        Whether the feed-forward is a SwiGLU, as in DINOv2 giant.
    """

    kind: str
    dim: int
    layers: int
    patch: int
    hidden: int
    side: int
    registers: int = 0
    gated: bool = False

    def weights(self) -> dict[str, Shape]:
        """Name every weight that such a model has, with its shape."""
        dim, patch = self.dim, self.patch
        found: dict[str, Shape] = {
            "embeddings.cls_token": (1, 1, dim),
            "embeddings.position_embeddings": (1, 1 + self.side**2, dim),
            "embeddings.patch_embeddings.projection.weight": (dim, 3, patch, patch),
            "embeddings.patch_embeddings.projection.bias": (dim,),
            "layernorm.weight": (dim,),
            "layernorm.bias": (dim,),
        }
        if self.kind != "vit":
            found["embeddings.mask_token"] = (1, dim)
        if self.registers:
            found["embeddings.register_tokens"] = (1, self.registers, dim)
        for layer in range(self.layers):
            for name, shape in self.block().items():
                found[f"encoder.layer.{layer}.{name}"] = shape
        return found

    def block(self) -> dict[str, Shape]:
        """Name the weights of one block, with their shapes."""
        dim, hidden = self.dim, self.hidden
        linear = {f"attention.attention.{part}": (dim, dim) for part in ("query", "key", "value")}
        linear["attention.output.dense"] = (dim, dim)
        if self.kind == "vit":
            norms = ("layernorm_before", "layernorm_after")
            linear |= {"intermediate.dense": (hidden, dim), "output.dense": (dim, hidden)}
        else:
            norms = ("norm1", "norm2")
            into, out = ("weights_in", "weights_out") if self.gated else ("fc1", "fc2")
            linear[f"mlp.{into}"] = (2 * hidden if self.gated else hidden, dim)
            linear[f"mlp.{out}"] = (dim, hidden)
        found: dict[str, Shape] = {}
        for name, shape in linear.items():
            found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        for norm in norms:
            found |= {f"{norm}.weight": (dim,), f"{norm}.bias": (dim,)}
        if self.kind != "vit":
            found |= {f"layer_scale{number}.lambda1": (dim,) for number in (1, 2)}
        return found

    def config(self) -> dict[str, Any]:
        """Write the config.json of transformers."""
        kinds = {"vit": "ViT", "dinov2": "Dinov2", "dinov2_with_registers": "Dinov2WithRegisters"}
        config: dict[str, Any] = {
            "architectures": [f"{kinds[self.kind]}Model"],
            "model_type": self.kind,
            "hidden_size": self.dim,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.dim // HEAD,
            "patch_size": self.patch,
            "image_size": self.side * self.patch,
            "num_channels": 3,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-6,
            "qkv_bias": True,
        }
        if self.kind == "vit":
            return config | {"intermediate_size": self.hidden}
        config |= {"mlp_ratio": self.mlp_ratio(), "use_swiglu_ffn": self.gated}
        if self.registers:
            config["num_register_tokens"] = self.registers
        return config

    def mlp_ratio(self) -> int:
        """Give the width of the feed-forward as transformers' DINOv2 counts it."""
        for ratio in range(1, 17):
            wide = ratio * self.dim
            if (
                (int(wide * 2 / 3) + 7) // 8 * 8 == self.hidden
                if self.gated
                else wide == self.hidden
            ):
                return ratio
        raise BackboneError(f"a feed-forward of {self.hidden} does not fit {self.dim} wide tokens")


def recognise(weights: Mapping[str, Shape]) -> Layout:
    """Find the sizes of a ViT from the names and shapes of its weights.

    Parameters
    ----------
    weights : mapping of str to tuple of int
        By transformers' names; further ones (a classifier, a pooler) do not matter.

    Raises
    ------
    BackboneError
        Without a file's name: what is missing, or what has another shape than expected.
    """
    projection = weights.get("embeddings.patch_embeddings.projection.weight", ())
    table = weights.get("embeddings.position_embeddings", ())
    if len(projection) != 4 or len(table) != 3:
        raise BackboneError(
            "expected the weights of a DINO or DINOv2 ViT, found "
            f"{some_names(weights)}; give one of the checkpoints named in docs/backbones.md"
        )
    dim, patch, side = projection[0], projection[2], round(max(table[1] - 1, 0) ** 0.5)
    scaled = "encoder.layer.0.layer_scale1.lambda1" in weights
    gated = "encoder.layer.0.mlp.weights_in.weight" in weights
    registers = weights.get("embeddings.register_tokens", (0, 0))[1]
    layers = 0
    while any(name.startswith(f"encoder.layer.{layers}.") for name in weights):
        layers += 1
    if not layers or dim % HEAD or not (0 < dim <= 1024 or dim == 1536):  # others: other heads
        raise BackboneError(
            f"expected blocks of a width that DINO and DINOv2 have (384, 768, 1024 or 1536), found "
            f"{layers} blocks of width {dim}"
        )
    out = "mlp.weights_out" if gated else "mlp.fc2" if scaled else "output.dense"
    hidden = weights.get(f"encoder.layer.0.{out}.weight", (0, 0))[-1]
    kind = "vit" if not scaled else "dinov2_with_registers" if registers else "dinov2"
    layout = Layout(kind, dim, layers, patch, hidden, side, registers, gated)
    check_shapes(weights, layout)
    return layout


def check_shapes(weights: Mapping[str, Shape], layout: Layout) -> None:
    """Raise BackboneError for the first weight that is missing or has another shape."""
    for name, shape in layout.weights().items():
        if name not in weights:
            raise BackboneError(f"the weight {name} is missing; the file may be cut off")
        if tuple(weights[name]) != shape:
            raise BackboneError(f"{name} has the shape {tuple(weights[name])}, expected {shape}")


def some_names(names: Iterable[str]) -> str:
    """Name the first three weights, for an error."""
    first = sorted(names)[:3]
    return "weights such as " + ", ".join(first) if first else "no weights"
