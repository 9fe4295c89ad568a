"""Known backbones, for `acseg backbones`. Nothing here imports torch."""

import json
from dataclasses import dataclass

from acseg.backbone.families import FAMILIES
from acseg.backbone.folders import bundled_folder, folder_at_hand
from acseg.backbone.names import short_name
from acseg.errors import BackboneError


@dataclass(frozen=True)
class Known:
    """One row of the listing: a checkpoint that `load_backbone` takes by this name."""

    name: str
    family: str
    layers: int | None
    default_block: int | None
    patch: int | None
    licence: str
    note: str
    here: bool  # on this machine, so that no network is needed


APACHE = "Apache-2.0"
DINOV3 = "DINOv3 licence"
NON_COMMERCIAL = "CC BY-NC 4.0"
MSN_NOTE = "licence as on the hub; the authors' code has its own"

CHECKPOINTS: tuple[tuple[str, str, int, int, str, str], ...] = (
    ("facebook/dino-vits8", "vit", 12, 8, APACHE, "fine grid, slow"),
    ("facebook/dino-vits16", "vit", 12, 16, APACHE, "small and quick; stride 8 refines its grid"),
    ("facebook/dino-vitb8", "vit", 12, 8, APACHE, "fine grid, very slow without a GPU"),
    ("facebook/dino-vitb16", "vit", 12, 16, APACHE, ""),
    (
        "facebook/dinov2-small",
        "dinov2",
        12,
        14,
        APACHE,
        "default where at hand; acseg backbones fetch",
    ),
    ("facebook/dinov2-base", "dinov2", 12, 14, APACHE, ""),
    ("facebook/dinov2-large", "dinov2", 24, 14, APACHE, ""),
    ("facebook/dinov2-with-registers-small", "dinov2_with_registers", 12, 14, APACHE, ""),
    ("facebook/dinov2-with-registers-base", "dinov2_with_registers", 12, 14, APACHE, ""),
    ("facebook/dinov3-vits16-pretrain-lvd1689m", "dinov3_vit", 12, 16, DINOV3, "gated"),
    ("facebook/dinov3-vitb16-pretrain-lvd1689m", "dinov3_vit", 12, 16, DINOV3, "gated"),
    ("facebook/dinov3-vitl16-pretrain-lvd1689m", "dinov3_vit", 24, 16, DINOV3, "gated"),
    ("facebook/dinov3-vitl16-pretrain-sat493m", "dinov3_vit", 24, 16, DINOV3, "gated; satellite"),
    ("facebook/vit-mae-base", "vit_mae", 12, 16, NON_COMMERCIAL, "weak for grouping"),
    ("facebook/vit-msn-small", "vit_msn", 12, 16, APACHE, MSN_NOTE),
    ("facebook/vit-msn-base", "vit_msn", 12, 16, APACHE, MSN_NOTE),
    ("timm/vit_small_patch16_224.dino", "timm_wrapper", 12, 16, APACHE, "pip install timm"),
)


def backbones() -> list[Known]:
    """List the backbones known by name, the bundled one first; any other ViT of a family works too.

    Returns
    -------
    list of Known
        `default_block` counts from 1. The bundled row has None for what is not known where this
        installation has no bundled weights.
    """
    return [bundled_row()] + [
        Known(
            short_name(name),
            FAMILIES[model_type].label,
            layers,
            FAMILIES[model_type].default_block(layers),
            patch,
            licence,
            note,
            folder_at_hand(name) is not None,
        )
        for name, model_type, layers, patch, licence, note in CHECKPOINTS
    ]


def bundled_row() -> Known:
    """Describe the bundled backbone from its config.json."""
    try:
        config = json.loads((bundled_folder() / "config.json").read_text(encoding="utf-8"))
    except BackboneError:
        return Known("bundled", "", None, None, None, APACHE, "missing in this installation", False)
    family, layers = FAMILIES[config["model_type"]], config["num_hidden_layers"]
    block = family.default_block(layers)
    note = "comes with acseg, works offline"
    return Known("bundled", family.label, layers, block, config["patch_size"], APACHE, note, True)
