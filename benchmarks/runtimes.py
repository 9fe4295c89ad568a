"""How fast a ViT-S/8 runs on this processor, by runtime and number format.

    python benchmarks/runtimes.py --sides 224 448 --repeats 7 --json runtimes.json

Random weights of a ViT-S/8 (384 dimensions, 12 blocks, 6 heads), so that nothing is downloaded. The
runtimes take turns in every repeat, so that what else the machine does meets them all; a ratio is
the median over the repeats of plain PyTorch's time (float32, its own fused attention) by the
runtime's in the same repeat. "segment" is the backbone and all that follows, up to label maps of
640 x 480 pixels. The floor is the operations of the matrix products over the rate of a large one.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from acseg.backbone.runtime import NEEDS, hindrance
from acseg.backbone.vit import TransformersVit
from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.model import ACSeg

DIM, BLOCKS, HEADS, PATCH = 384, 12, 6, 8
WAYS = {  # name: (runtime, precision)
    "torch float32 (plain)": ("torch", "float32"),
    "torch bfloat16, fused attention": ("torch", "bfloat16"),
    "torch bfloat16": ("torch", "bfloat16"),
    "onnx float32": ("onnx", "float32"),
    "openvino float32": ("openvino", "float32"),
    "openvino bfloat16": ("openvino", "bfloat16"),
}
PLAIN = "torch float32 (plain)"


def checkpoint(folder: Path) -> str:
    """Write a ViT-S/8 with random weights."""
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=DIM,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS,
        intermediate_size=4 * DIM,
        image_size=224,
        patch_size=PATCH,
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    return str(folder)


def operations(side: int) -> float:
    """Count the operations of the matrix products of one image, two for each multiply and add."""
    tokens = (side // PATCH) ** 2 + 1
    return 2.0 * BLOCKS * tokens * (12 * DIM**2 + 2 * tokens * DIM)


def matrix_rate(dtype: torch.dtype) -> float:
    """Measure operations a second of a product of two 2048 x 2048 matrices, the best of 10."""
    a, b = torch.randn(2048, 2048).to(dtype), torch.randn(2048, 2048).to(dtype)
    return 2.0 * 2048**3 / min(timed(lambda: a @ b) for _ in range(10))


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def model_of(folder: str, side: int, runtime: str, precision: str) -> ACSeg:
    """Make a model with a random generator."""
    model = ACSeg(folder, side=side, runtime=runtime, precision=precision, device="cpu")
    torch.manual_seed(1)
    model.generator_ = AdaptiveConceptGenerator(DIM).eval().requires_grad_(False)
    return model


def measure(folder: str, side: int, batch: int, repeats: int) -> dict[str, dict[str, list[float]]]:
    """Time every way in turn; seconds an image of the backbone and of segment."""
    random = np.random.default_rng(0)
    images = torch.rand(batch, 3, side, side)
    pictures = [random.integers(0, 256, (480, 640, 3), dtype=np.uint8) for _ in range(batch)]
    models = {}
    for name, (runtime, precision) in WAYS.items():
        if hindrance(runtime, torch.device("cpu"), TransformersVit.__new__(TransformersVit), ""):
            print(f"left out: {name}; it is not installed")
            continue
        models[name] = model_of(folder, side, runtime, precision)
        models[name].backbone(images[:2])  # export, compile
        models[name].backbone(images)
    seconds: dict[str, dict[str, list[float]]] = {
        n: {"backbone": [], "segment": []} for n in models
    }
    for _ in range(repeats):
        for name, model in models.items():
            fused = mock.patch("acseg.backbone.backbone.BandedAttention", nullcontext)
            with fused if name.endswith("fused attention") else nullcontext():
                backbone = timed(lambda m=model: m.backbone(images))  # type: ignore[misc]
                whole = timed(lambda m=model: m.segment_batch(pictures, images))  # type: ignore[misc]
            seconds[name]["backbone"].append(backbone / batch)
            seconds[name]["segment"].append(whole / batch)
    return seconds


def table(seconds: dict[str, dict[str, list[float]]], rates: dict[str, float], side: int) -> str:
    """Write medians, spread and ratios as Markdown."""
    lines = [
        "| runtime | backbone ms | 10 - 90 % | ratio | floor ms | segment ms | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, own in seconds.items():
        backbone, segment = (1e3 * np.array(own[what]) for what in ("backbone", "segment"))
        low, high = np.percentile(backbone, [10, 90])
        plain = {w: 1e3 * np.array(seconds[PLAIN][w]) for w in own}
        floor = 1e3 * operations(side) / rates["bfloat16" if "bfloat16" in name else "float32"]
        lines.append(
            f"| {name} | {np.median(backbone):.0f} | {low:.0f} - {high:.0f} "
            f"| {np.median(plain['backbone'] / backbone):.2f} | {floor:.0f} "
            f"| {np.median(segment):.0f} | {np.median(plain['segment'] / segment):.2f} |"
        )
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """Say what was measured on."""
    versions = {}
    for name in ("torch", "transformers", *{m for needs in NEEDS.values() for m in needs}):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "versions": dict(sorted(versions.items())),
    }


def main() -> None:
    """Print a table for each size, and write JSON if asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[224, 448])
    parser.add_argument("--batch", type=int, default=8, help="images at 224 px; fewer at larger")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, help="file to write")
    told = parser.parse_args()
    found: dict[str, Any] = {"machine": machine(), "sides": {}}
    print(json.dumps(found["machine"]))
    with tempfile.TemporaryDirectory() as folder:
        name = checkpoint(Path(folder))
        for side in told.sides:
            dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16}
            rates = {n: matrix_rate(t) for n, t in dtypes.items()}
            batch = max(2, round(told.batch * (224 / side) ** 2))
            seconds = measure(name, side, batch, told.repeats)
            print(
                f"\n{side} px, batches of {batch}, a matrix rate of {rates['float32'] / 1e9:.0f} "
            )
            print(f"(float32) and {rates['bfloat16'] / 1e9:.0f} (bfloat16) GFLOP/s\n")
            print(table(seconds, rates, side), flush=True)
            found["sides"][side] = {"batch": batch, "rates": rates, "seconds": seconds}
    if told.json:
        told.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
