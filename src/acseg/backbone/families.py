"""The table of the kinds of ViT that acseg reads, and what is particular about each.

Nothing here imports torch. The key is the `model_type` of the checkpoint's config.json.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from acseg.errors import BackboneError

Rgb = tuple[float, float, float]

IMAGENET_MEAN: Rgb = (0.485, 0.456, 0.406)
IMAGENET_STD: Rgb = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Family:
    """Say how one kind of ViT is used.

    Attributes
    ----------
    label : str
        Its name in words.
    depth : float
        The default block as a share of all blocks: 1 is the last one.
    positions : str
        "learned" (a table of position embeddings, interpolated to the grid), "rotary" (computed
        for the grid) or "timm" (timm's own code does it).
    mean, std : tuple of float
        Of the RGB values 0..1 in training, for checkpoints without preprocessor_config.json.
    licence_line : str
        Said in the log when a checkpoint of this family is loaded; empty for nothing to say.
    arguments : dict
        Passed to the model's constructor.
    """

    label: str
    depth: float = 1.0
    positions: str = "learned"
    mean: Rgb = IMAGENET_MEAN
    std: Rgb = IMAGENET_STD
    licence_line: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)

    def default_block(self, layers: int) -> int:
        """Return the default block, counted from 1, of a ViT with this many blocks."""
        return max(1, round(self.depth * layers))


DINOV3_LICENCE = (
    "DINOv3 comes under Meta's own DINOv3 licence, not an open-source one: "
    "read it before you publish or sell what you make with it"
)

FAMILIES: dict[str, Family] = {
    "vit": Family("DINO (ViT)", arguments={"add_pooling_layer": False}),
    "dinov2": Family("DINOv2"),
    "dinov2_with_registers": Family("DINOv2 with registers"),
    "dinov3_vit": Family(
        "DINOv3",
        depth=10 / 12,
        positions="rotary",
        licence_line=DINOV3_LICENCE,
    ),
    "vit_mae": Family("MAE"),
    "vit_msn": Family("MSN"),
    "timm_wrapper": Family("timm", positions="timm"),
}


def family_of(model_type: str, name: str, *, architecture: str = "") -> Family:
    """Look up the family of a `model_type`.

    Parameters
    ----------
    model_type : str
        As the checkpoint's config.json gives it.
    name : str
        The checkpoint's name, for the error.
    architecture : str
        timm's name of the model; a DINOv3 of timm is used and licensed as DINOv3.

    Raises
    ------
    BackboneError
        If acseg does not read this kind.
    """
    if model_type not in FAMILIES:
        table = ", ".join(f"{key} ({family.label})" for key, family in FAMILIES.items())
        raise BackboneError(
            f"the backbone {name!r} is of the kind {model_type!r}; acseg reads these: {table}"
        )
    family = FAMILIES[model_type]
    if model_type == "timm_wrapper" and "dinov3" in architecture:
        known = FAMILIES["dinov3_vit"]
        return replace(family, depth=known.depth, licence_line=known.licence_line)
    return family
