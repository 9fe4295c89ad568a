"""Opening a backbone by name."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from acseg.backbone.backbone import Backbone, of_blocks
from acseg.backbone.families import Family, Rgb, family_of
from acseg.backbone.folders import checkpoint_folder, default_backbone, need_timm
from acseg.backbone.precision import choose_device, choose_precision
from acseg.backbone.quiet import quiet_transformers
from acseg.backbone.runtime import choose_runtime
from acseg.backbone.vit import TimmVit, TransformersVit
from acseg.errors import BackboneError
from acseg.untrusted import parse_json, read_text

log = logging.getLogger("acseg")

UNUSED_WEIGHTS = ("pooler.", "mask_token")  # a checkpoint may lack these: nothing here reads them


def load_backbone(
    name: str = "bundled",
    *,
    blocks: int | Sequence[int] | None = None,
    stride: int | None = None,
    device: str | torch.device = "auto",
    precision: str = "auto",
    runtime: str = "torch",
) -> Backbone:
    """Load a frozen self-supervised ViT.

    Parameters
    ----------
    name : str
        "bundled" (default; offline), "auto" (DINOv2 small where it is on this machine, otherwise
        bundled), a short name ("dinov2-small"), a folder in the Hugging Face format, a name on the
        hub ("facebook/dino-vits8"), or "timm/..." where timm is installed.
    blocks : int or sequence of int, optional
        Whose tokens are wanted, 1..layers, negative from the end. Default: the family's (the last;
        for DINOv3 the tenth of twelve). All go through the final layer norm; those of several
        blocks are then brought to unit length and joined along D.
    stride : int, optional
        Pixels between patches, a divisor of the patch; smaller gives a denser grid, at a
        price that grows as its square and faster. Default: the patch.
    device : str or torch.device
        "auto" (default: a GPU where there is one), "cpu", "cuda", "cuda:1".
    precision : str
        "auto" (default: bfloat16 where the hardware is fast at it), "float32" or "bfloat16".
    runtime : str
        What runs the blocks on a processor: "torch" (default), "openvino", or "auto" (OpenVINO
        where it is installed and can run this backbone). OpenVINO converts the blocks at the first
        batch, which takes a few seconds.

    Returns
    -------
    Backbone
        On the device, in evaluation mode, without gradients.

    Raises
    ------
    BackboneError
        One line: what was tried and what to do. No code of a checkpoint is ever run.

    Examples
    --------
    >>> backbone = load_backbone("dinov2-small", blocks=(9, 10, 11, 12))  # doctest: +SKIP
    >>> backbone(torch.rand(1, 3, 336, 448)).tokens.shape  # doctest: +SKIP
    torch.Size([1, 768, 1536])
    """
    if name == "auto":
        name, line = default_backbone()
        log.info("%s", line)
    folder = checkpoint_folder(name)
    model_type, architecture = read_model_type(folder, name)
    family = family_of(model_type, name, architecture=architecture)
    model = read_model(folder, name, model_type, family)
    mean, std = read_normalisation(folder, name, model_type)
    where = choose_device(device)
    vit = TimmVit(model, name) if model_type == "timm_wrapper" else TransformersVit(model)
    dtype = choose_precision(where, precision)
    chosen = choose_runtime(runtime, device=where, vit=vit, name=name)
    backbone = Backbone(
        vit,
        name=name,
        model_type=model_type,
        family=family,
        blocks=blocks,
        stride=stride,
        mean=mean,
        std=std,
        precision=dtype,
        runtime=chosen,
        spare=runtime == "auto",
    ).to(where)
    log.info(
        "backbone: %s (%s), tokens of %s of %d, patch %d, stride %d, on %s",
        *(name, family.label, of_blocks(backbone.blocks), backbone.layers),
        *(backbone.patch, backbone.stride, where),
    )
    if family.licence_line:
        log.warning("%s: %s", name, family.licence_line)
    return backbone


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of a checkpoint.

    Raises
    ------
    BackboneError
        If it is not a JSON object.
    """
    try:
        content = parse_json(read_text(path))
    except (OSError, ValueError) as error:
        raise BackboneError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise BackboneError(f"cannot read {path}: expected a JSON object")
    return content


MOST = {  # of what decides how much memory and time a model takes before its weights are read
    "hidden_size": 16384,
    "intermediate_size": 65536,
    "num_hidden_layers": 512,
    "num_attention_heads": 1024,
    "image_size": 16384,
    "patch_size": 1024,
    "num_channels": 64,
    "num_register_tokens": 1024,
}


def check_sizes(config: dict[str, Any], path: Path) -> None:
    """Raise BackboneError if a configuration asks for a model of absurd size."""
    vision = config.get("vision_config")
    for part in (config, vision if isinstance(vision, dict) else {}):
        for key, most in MOST.items():
            found = part.get(key)
            for value in found if isinstance(found, list) else [found]:
                if isinstance(value, int | float) and not 0 <= value <= most:
                    raise BackboneError(f"{path}: {key} is {value}, expected 0 to {most}")


def read_model_type(folder: Path, name: str) -> tuple[str, str]:
    """Return the kind of model that config.json names, and timm's architecture where it has one."""
    config = read_json(folder / "config.json")
    check_sizes(config, folder / "config.json")
    architecture = str(config.get("architecture", ""))
    model_type = str(config.get("model_type") or ("timm_wrapper" if architecture else None))
    if model_type == "timm_wrapper":
        need_timm(name)
    return model_type, architecture


def read_model(folder: Path, name: str, model_type: str, family: Family) -> Any:
    """Read configuration and weights with transformers, in float32, all weights present.

    Raises
    ------
    BackboneError
        If the files are broken or lack weights.
    """
    from transformers import AutoConfig, AutoModel

    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            if model_type == "timm_wrapper":
                config.model_args = {**(config.model_args or {}), "dynamic_img_size": True}
            model, report = AutoModel.from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                attn_implementation="sdpa",
                output_loading_info=True,
                **family.arguments,
            )
    except Exception as error:  # transformers raises nearly everything on files of a stranger
        raise BackboneError(cannot_open(name, folder, error)) from error
    missing = sorted(k for k in report["missing_keys"] if not any(u in k for u in UNUSED_WEIGHTS))
    if missing:
        raise BackboneError(
            f"the checkpoint of {name!r} in {folder} lacks {len(missing)} weights of its model, "
            f"the first of them {missing[0]}; it may be cut off or of another model"
        )
    return model


def cannot_open(name: str, folder: Path, error: Exception) -> str:
    """Put together the line about a checkpoint that transformers cannot read."""
    reason = " ".join(str(error).split())
    return f"cannot open the backbone {name!r} in {folder}: {type(error).__name__}: {reason[:300]}"


def read_normalisation(folder: Path, name: str, model_type: str) -> tuple[Rgb | None, Rgb | None]:
    """Read mean and standard deviation of RGB 0..1 that the checkpoint was trained with.

    Returns
    -------
    tuple
        (mean, std), or (None, None) where the checkpoint does not say.

    Raises
    ------
    BackboneError
        If it says something else than three numbers each.
    """
    path = folder / "preprocessor_config.json"
    if path.is_file():
        values = read_json(path)
        if values.get("do_normalize") is False:
            return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        mean, std = values.get("image_mean"), values.get("image_std")
    elif model_type == "timm_wrapper":
        path = folder / "config.json"
        values = read_json(path).get("pretrained_cfg") or {}
        mean, std = values.get("mean"), values.get("std")
    else:
        return None, None
    if mean is None or std is None:
        return None, None
    try:
        (m0, m1, m2), (s0, s1, s2) = (float(v) for v in mean), (float(v) for v in std)
    except (TypeError, ValueError) as error:
        raise BackboneError(
            f"{path}: expected three numbers each for mean and standard deviation of {name!r}, "
            f"found {mean} and {std}"
        ) from error
    if min(s0, s1, s2) <= 0:
        raise BackboneError(f"{path}: the standard deviation must be above 0, found {std}")
    return (m0, m1, m2), (s0, s1, s2)
