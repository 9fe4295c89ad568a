"""Writing a backbone as a folder in the Hugging Face format."""

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from acseg.backbone.cache import new_folder, open_to_others
from acseg.backbone.families import IMAGENET_MEAN, IMAGENET_STD
from acseg.backbone.layout import Layout, recognise
from acseg.errors import BackboneError

PREPROCESSOR = {
    "image_processor_type": "BitImageProcessor",
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": IMAGENET_MEAN,
    "image_std": IMAGENET_STD,
    "do_resize": False,
    "do_center_crop": False,
}


def write_backbone(weights: Mapping[str, Tensor], folder: Path, card: str) -> Layout:
    """Write config.json, model.safetensors (float32), preprocessor_config.json and README.md.

    The folder appears only when it is complete.

    Parameters
    ----------
    weights : mapping of str to Tensor
        By the names of the checkpoints on the hub; those that the model does not have are left out.
    folder : Path
        Not there yet, or empty.
    card : str
        The README: where the weights come from, their licence, what was not checked.

    Returns
    -------
    Layout
        What was recognised.

    Raises
    ------
    BackboneError
        If the weights are no DINO or DINOv2, one is missing, of another shape or not finite, or
        the folder cannot be written.
    """
    layout = recognise({name: tuple(weight.shape) for name, weight in weights.items()})
    kept: dict[str, Tensor] = {}
    for name in layout.weights():
        kept[name] = weights[name].detach().float().contiguous().clone()
        if not bool(kept[name].isfinite().all()):
            raise BackboneError(f"the weight {name} holds numbers that are not finite")
    config = layout.config()
    megabytes = sum(weight.nbytes for weight in kept.values()) // 10**6 + 1
    with new_folder(folder, megabytes=megabytes) as part:
        save_tensors(kept, part / "model.safetensors")
        open_to_others(part / "model.safetensors", 0o666)  # safetensors closes it
        for name, content in (("config", config), ("preprocessor_config", PREPROCESSOR)):
            (part / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        (part / "README.md").write_text(card, "utf-8")
    return layout


def save_tensors(weights: dict[str, Tensor], path: Path) -> None:
    """Write weights as safetensors; OSError for what hinders it, such as a full disk."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(weights, path, metadata={"format": "pt"})
    except SafetensorError as error:
        raise OSError(None, str(error)) from error
