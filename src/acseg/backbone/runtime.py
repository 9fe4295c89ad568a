"""Which program runs the blocks of a backbone: torch, OpenVINO or ONNX Runtime.

On a processor OpenVINO is the fastest of the three in both number formats, ONNX Runtime is faster
than torch in float32 only, and has no bfloat16 there: see docs/performance.md. On a GPU torch runs
everything. Nothing here imports another runtime.
"""

import importlib.util
import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn

from acseg.backbone.blocks import can_leave_torch, portable_blocks
from acseg.backbone.vit import TransformersVit
from acseg.errors import BackboneError

log = logging.getLogger("acseg")

Engine = Callable[..., tuple[Tensor, Tensor]]

RUNTIMES = ("auto", "torch", "openvino", "onnx")
NEEDS = {  # modules that must be there
    "openvino": ("openvino",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
}
FASTEST_FIRST = {
    torch.bfloat16: ("openvino", "torch"),
    torch.float32: ("openvino", "onnx", "torch"),
}


def choose_runtime(
    runtime: str, *, device: torch.device, precision: torch.dtype, vit: nn.Module, name: str
) -> str:
    """Choose what runs the blocks, and say it in the log.

    Parameters
    ----------
    runtime : str
        "torch", "openvino", "onnx", or "auto": the one that was measured to be the fastest in
        this number format, of those that are installed and can run this backbone.
    device : torch.device
    precision : torch.dtype
        torch.float32 or torch.bfloat16.
    vit : TransformersVit or TimmVit
    name : str
        Of the backbone, for the error.

    Returns
    -------
    str
        "torch", "openvino" or "onnx".

    Raises
    ------
    BackboneError
        If the runtime is unknown, or was asked for and cannot be used.
    """
    if runtime not in RUNTIMES:
        raise BackboneError(f"unknown runtime {runtime!r}; use {', '.join(RUNTIMES)}")
    if runtime == "auto":
        order = FASTEST_FIRST[precision] if device.type == "cpu" else ("torch",)
        chosen = next(one for one in order if not hindrance(one, device, vit, name))
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
    missing = [m for m in NEEDS[runtime] if importlib.util.find_spec(m) is None]
    if missing:
        return f"{missing[0]} is not installed: pip install 'acseg[{runtime}]'"
    if not can_leave_torch(vit):
        return f"{name!r} is a model of timm, which runs in torch only; use --runtime torch"
    return ""


def only_float32(precision: str) -> torch.dtype:
    """Give the number format of ONNX Runtime on a processor, float32.

    Raises
    ------
    BackboneError
        If another was asked for.
    """
    if precision == "bfloat16":
        raise BackboneError(
            "runtime 'onnx' has no bfloat16 on the processor; use --precision float32, or "
            "--runtime openvino"
        )
    log.info("precision: float32, the only one of runtime onnx")
    return torch.float32


def make_engine(
    runtime: str, vit: TransformersVit, *, block: int, features: str, precision: torch.dtype
) -> Engine:
    """Export the blocks of a ViT, or take them from the cache, and open them in a runtime.

    Parameters
    ----------
    runtime : str
        "openvino" or "onnx".
    vit : TransformersVit
    block, features, precision
        As in `acseg.backbone.backbone.Backbone`.

    Returns
    -------
    callable
        From tokens (B, T, D), and cosines and sines of rotary positions, to pixels (B, N, D) and
        attention (B, N).
    """
    blocks, example = portable_blocks(vit, block, features)
    if runtime == "onnx":
        from acseg.backbone.onnx_engine import OnnxEngine

        return OnnxEngine(blocks, example)
    from acseg.backbone.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(blocks, example, precision)
