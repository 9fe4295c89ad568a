"""Where a backbone runs, and in which number format its matrix products are taken."""

import logging

import torch

from acseg.errors import BackboneError

log = logging.getLogger("acseg")

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """Turn a device name into a device; "auto" takes the first NVIDIA GPU, otherwise the processor.

    Raises
    ------
    BackboneError
        If torch does not know the name, or this machine has no such device.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise BackboneError(f"unknown device {device!r}; use auto, cpu, cuda or cuda:0") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise BackboneError(
            f"device {str(device)!r} was asked for, but torch sees {torch.cuda.device_count()} "
            "NVIDIA GPUs here; use --device cpu, or install a build of torch for your GPU"
        )
    return chosen


def choose_precision(device: torch.device, precision: str = "auto") -> torch.dtype:
    """Choose the number format of the matrix products, and say it in the log.

    Parameters
    ----------
    device : torch.device
        Where the backbone runs.
    precision : str
        "auto" (default): bfloat16 where the processor (avx512_bf16 or amx_bf16) or the GPU
        computes it in hardware, otherwise float32. Or "float32" (exact), or "bfloat16".

    Returns
    -------
    torch.dtype
        torch.bfloat16 or torch.float32.

    Raises
    ------
    BackboneError
        If `precision` is none of the three.
    """
    if precision != "auto":
        if precision not in PRECISIONS:
            raise BackboneError(f"unknown precision {precision!r}; use auto, float32 or bfloat16")
        log.info("precision: %s, as asked for", precision)
        return PRECISIONS[precision]
    reason = bfloat16_hardware(device)
    log.info("precision: %s", f"bfloat16 ({reason})" if reason else f"float32 on {device}")
    return torch.bfloat16 if reason else torch.float32


def bfloat16_hardware(device: torch.device) -> str:
    """Name what makes bfloat16 fast on this device; empty where nothing does."""
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.cuda.get_device_name(device) if fast else ""
    if device.type != "cpu":
        return ""
    for probe, feature in (
        ("_is_amx_tile_supported", "amx_bf16"),
        ("_is_avx512_bf16_supported", "avx512_bf16"),
    ):  # torch keeps both private, so one may be missing in another release
        supported = getattr(torch.cpu, probe, None)
        if supported is not None and supported():
            return f"the processor has {feature}"
    return ""
