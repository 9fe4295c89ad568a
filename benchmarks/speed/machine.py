"""The machine: what it is, and how fast it multiplies matrices and copies memory in this run."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import torch

from speed.timing import time_pairs

PACKAGES = ("acseg", "torch", "numpy", "scikit-learn", "transformers", "openvino", "onnxruntime")
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def describe(device: str) -> dict[str, str]:
    """Name the processor, its cores, the threads in use and the versions."""
    found = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
    }
    if device == "cuda":
        found["gpu"] = torch.cuda.get_device_name()
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def measure_rates(device: str, *, quick: bool) -> dict[str, float]:
    """Measure matrix operations a second in float32 and bfloat16, and bytes a second of a copy."""
    side = 512 if quick else 2048 if device == "cpu" else 8192
    rates = {}
    for name, dtype in TYPES.items():
        left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        times = time_pairs({name: lambda a=left, b=right: a @ b}, 3 if quick else 7, device)  # type: ignore[misc]
        rates[name] = 2 * side**3 / median(times[name])
    source = torch.ones((1 if quick else 64) * 2**20, device=device)  # 256 MiB leave every cache
    target = torch.empty_like(source)
    times = time_pairs({"copy": lambda: target.copy_(source)}, 3 if quick else 7, device)
    rates["bandwidth"] = 2 * source.numel() * source.element_size() / median(times["copy"])
    return rates


def header(machine: dict[str, str], rates: dict[str, float]) -> str:
    """Say on what was measured."""
    lines = [f"- {name}: {value}" for name, value in machine.items()]
    products = ", ".join(f"{name} {rates[name] / 1e9:.0f}" for name in ("float32", "bfloat16"))
    lines.append(f"- billion operations/s of matrix products: {products}")
    lines.append(f"- memory, GB/s read and written by a copy: {rates['bandwidth'] / 1e9:.0f}")
    return "\n".join([*lines, ""])


def _processor() -> str:
    """Name the processor and what it multiplies bfloat16 with."""
    name, flags = platform.processor() or platform.machine(), ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
            if line.startswith("flags"):
                flags = line
    fast = [flag for flag in ("avx512f", "avx512_bf16", "amx_bf16") if f" {flag}" in flags]
    return f"{name} ({', '.join(fast)})" if fast else name
