"""`segment` from files to written labels, against the bare backbone and against plain PyTorch."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from acseg.collection import run_collection
from acseg.images.batch import to_tensor
from acseg.images.read import read_image
from acseg.model import ACSeg
from speed.models import SMALL, TINY, photographs, random_run, random_vit
from speed.timing import How, Row, Table, spread

COUNT = 200
BATCH = 16


def measure(how: How) -> list[Table]:
    """Measure both tables with a ViT-S/8 of random weights."""
    vit = random_vit(how.folder / "vit", TINY if how.quick else SMALL)
    pictures = photographs(how.folder / "photographs", 6 if how.quick else COUNT)
    return [against_backbone(how, vit, pictures), against_plain(how, vit, pictures)]


def against_backbone(how: How, vit: Path, pictures: Path) -> Table:
    """Measure all photographs end to end and through the backbone alone, same runtime."""
    side = 48 if how.quick else 224
    run = random_run(how.folder / "run", vit, side=side)
    files = sorted(pictures.iterdir())
    rows: list[Row] = []
    for runtime in ("auto", "torch"):
        model = ACSeg.load(run, device="cpu", runtime=runtime)
        forms: dict[str, Callable[[], Any]] = {
            "backbone alone": lambda m=model: bare(m, files),  # type: ignore[misc]
            "labels": lambda m=model: segment(how, m, [pictures], overlays=False),  # type: ignore[misc]
            "labels, overlays": lambda m=model: segment(how, m, [pictures], overlays=True),  # type: ignore[misc]
        }
        if runtime == "torch":  # a row to compare with; the overlays were seen above
            del forms["labels, overlays"]
        times = in_turns(forms, 1 if how.quick or runtime == "torch" else 3)
        alone = times["backbone alone"]
        for name, seconds in times.items():
            an_image = [s / len(files) for s in seconds]
            row: Row = {"runtime": f"{runtime}: {runtime_of(model)}", "what": name}
            row |= {"ms an image": spread(an_image), "images/s": 1 / median(an_image)}
            if name == "backbone alone":
                dtype = str(model.backbone.precision).removeprefix("torch.")
                row["floor ms"] = 1e3 * how.floor(operations(files[0], model), 0, dtype)
            if name != "backbone alone":
                share = median(a / b for a, b in zip(alone, seconds, strict=True))
                row["of the backbone's rate"] = f"{100 * share:.0f} %"
            rows.append(row)
    title = f"segment, {len(files)} photographs of 640 x 480, ViT-S/8 at {side} px, files to labels"
    return Table("segment", title, rows, ["To reach: labels at 85 % of the backbone's rate."])


def against_plain(how: How, vit: Path, pictures: Path) -> Table:
    """Measure end to end against the forward pass of transformers alone, float32, as it comes."""
    rows: list[Row] = []
    for side, count in ((48, 2),) if how.quick else ((224, 32), (448, 8)):
        run = random_run(how.folder / f"run{side}", vit, side=side)
        model = ACSeg.load(run, device="cpu")
        files = sorted(pictures.iterdir())[:count]
        forms: dict[str, Callable[[], Any]] = {
            "plain PyTorch": lambda s=side, f=files: plain(vit, f, s),  # type: ignore[misc]
            "segment": lambda m=model, f=files: segment(how, m, f, overlays=False),  # type: ignore[misc]
        }
        times = in_turns(forms, 1 if how.quick else 3)
        slow, fast = times["plain PyTorch"], times["segment"]
        row: Row = {"px": str(side), "images": str(count)}
        for name, seconds in times.items():
            row[f"{name}, ms an image"] = spread([s / count for s in seconds])
        ratio = median(a / b for a, b in zip(slow, fast, strict=True))
        rows.append(row | {"times faster": ratio, "runtime": runtime_of(model)})
    title = "segment, files to labels, against the forward pass of plain PyTorch, float32"
    return Table("plain", title, rows, ["To reach: 6 times faster."])


def operations(file: Path, model: ACSeg) -> float:
    """Count the operations of the ViT's matrix products for a photograph of this size."""
    backbone = model.backbone
    image = to_tensor(read_image(file), side=model.side, multiple=backbone.patch)
    height, width = backbone.grid_of(image.shape[1], image.shape[2])
    tokens, dim = height * width + 1, backbone.dim
    block = 24 * tokens * dim * dim + 4 * tokens * tokens * dim
    return backbone.layers * block + 2 * tokens * dim * 3 * backbone.patch**2


def in_turns(forms: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Time every form once a round after a short run of each; a form gives its own seconds."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    for turn in range(rounds + 1):
        for name, form in forms.items():
            seconds = form()
            if turn > 0 or rounds == 1:  # the first turn loads what is loaded late
                times[name].append(seconds)
        if rounds == 1:
            break
    return times


def bare(model: ACSeg, files: list[Path]) -> float:
    """Give the seconds that the backbone needs for all files, which are read beforehand."""
    images = torch.stack(
        [to_tensor(read_image(f), side=model.side, multiple=model.backbone.patch) for f in files]
    )
    start = time.perf_counter()
    with torch.inference_mode():
        for batch in images.split(BATCH):
            model.backbone(batch)
    return time.perf_counter() - start


def segment(how: How, model: ACSeg, inputs: list[Path], *, overlays: bool) -> float:
    """Give the seconds from files to everything that `acseg segment` writes."""
    out = how.folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    outcome = run_collection(model, inputs, out, overlays=overlays)
    seconds = time.perf_counter() - start
    if outcome.failed or not outcome.written:
        raise RuntimeError(f"segment failed: {outcome.failed[:3]}")
    return seconds


def plain(vit: Path, files: list[Path], side: int) -> float:
    """Give the seconds of the ViT alone as transformers runs it, in batches of 8."""
    from transformers import ViTModel

    network = ViTModel.from_pretrained(vit, add_pooling_layer=False).eval()
    images = torch.stack([to_tensor(read_image(f), side=side, multiple=8) for f in files])
    start = time.perf_counter()
    with torch.inference_mode():
        for batch in images.split(8):
            network(batch, interpolate_pos_encoding=True)
    return time.perf_counter() - start


def runtime_of(model: ACSeg) -> str:
    """Name what runs the backbone."""
    return str(getattr(model.backbone, "runtime", "torch"))
