"""Which program runs the blocks of a backbone: torch, or OpenVINO on a processor.

OpenVINO is faster where the processor has bfloat16 in hardware. On a GPU torch runs everything.
Nothing here imports OpenVINO.
"""

import importlib.util
import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn

from acseg.backbone.blocks import can_leave_torch, portable_blocks
from acseg.backbone.precision import bfloat16_hardware
from acseg.backbone.vit import TransformersVit
from acseg.errors import BackboneError

log = logging.getLogger("acseg")

Engine = Callable[..., tuple[Tensor, Tensor]]

RUNTIMES = ("auto", "torch", "openvino")


def choose_runtime(runtime: str, *, device: torch.device, vit: nn.Module, name: str) -> str:
    """Choose what runs the blocks, and say it in the log.

    Parameters
    ----------
    runtime : str
        "torch", "openvino", or "auto": OpenVINO where it is installed, can run this backbone, and
        the processor has bfloat16, without which it was not faster.
    device : torch.device
    vit : TransformersVit or TimmVit
    name : str
        Of the backbone, for the error.

    Returns
    -------
    str
        "torch" or "openvino".

    Raises
    ------
    BackboneError
        If the runtime is unknown, or was asked for and cannot be used.
    """
    if runtime not in RUNTIMES:
        raise BackboneError(f"unknown runtime {runtime!r}; use {', '.join(RUNTIMES)}")
    if runtime == "auto":
        slow = not bfloat16_hardware(device) or hindrance("openvino", device, vit, name)
        chosen = "torch" if slow else "openvino"
        log.info("runtime: %s", chosen)
        return chosen
    reason = hindrance(runtime, device, vit, name)
    if reason:
        raise BackboneError(f"runtime {runtime!r} was asked for, but {reason}")
    log.info("runtime: %s, as asked for", runtime)
    return runtime


def hindrance(runtime: str, device: torch.device, vit: nn.Module, name: str) -> str:
    """Say why a runtime cannot be used here, and what to do; empty where it can."""
    if runtime == "torch":
        return ""
    if device.type != "cpu":
        return f"acseg uses it on the processor only, not on {device}; use --device cpu"
    if importlib.util.find_spec("openvino") is None:
        return "it is not installed: pip install 'acseg[openvino]'"
    if not can_leave_torch(vit):
        return f"{name!r} is a model of timm, which runs in torch only; use --runtime torch"
    return ""


def make_engine(vit: TransformersVit, *, blocks: tuple[int, ...], precision: torch.dtype) -> Engine:
    """Convert the blocks of a ViT to OpenVINO.

    Parameters
    ----------
    vit : TransformersVit
    blocks, precision
        As in `acseg.backbone.backbone.Backbone`.

    Returns
    -------
    callable
        From tokens (B, T, D), and cosines and sines of rotary positions, to tokens (B, N, D') and
        attention (B, N).
    """
    from acseg.backbone.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(*portable_blocks(vit, blocks), precision)
