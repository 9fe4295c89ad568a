"""`segment` from files to written labels, against the bare backbone."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from acseg.collection import run_collection
from acseg.images.batch import to_tensor
from acseg.images.read import read_image
from acseg.model import ACSeg
from speed.models import SMALL, TINY, photographs, random_run, random_vit
from speed.timing import How, Row, Table, spread, times_faster

COUNT = 200
BATCH = 16
ROUNDS = 3

Form = Callable[[list[Path]], float]  # of files: the seconds they took


def measure(how: How) -> list[Table]:
    """Measure all photographs end to end and through the backbone alone, same runtime.

    The backbone is a ViT-S/8 of random weights.
    """
    side = 48 if how.quick else 224
    vit = random_vit(how.folder / "vit", TINY if how.quick else SMALL)
    run = random_run(how.folder / "run", vit, side=side)
    files = sorted(photographs(how.folder / "photographs", 6 if how.quick else COUNT).iterdir())
    rows: list[Row] = []
    for runtime in ("auto", "torch"):
        model = ACSeg.load(run, device="cpu", runtime=runtime)
        forms: dict[str, Form] = {
            "backbone alone": lambda some, m=model: bare(m, some),  # type: ignore[misc]
            "labels": lambda some, m=model: segment(how, m, some, overlays=False),  # type: ignore[misc]
            "labels, overlays": lambda some, m=model: segment(how, m, some, overlays=True),  # type: ignore[misc]
        }
        if runtime == "torch":  # a row to compare with; the overlays were seen above
            del forms["labels, overlays"]
        times = in_turns(forms, files, 1 if how.quick or runtime == "torch" else ROUNDS)
        alone = times["backbone alone"]
        for name, seconds in times.items():
            an_image = [s / len(files) for s in seconds]
            row: Row = {"runtime": f"{runtime}: {runtime_of(model)}", "what": name}
            row |= {"ms an image": spread(an_image), "images/s": 1 / median(an_image)}
            if name == "backbone alone":
                dtype = str(model.backbone.precision).removeprefix("torch.")
                row["floor ms"] = 1e3 * how.floor(operations(files[0], model), 0, dtype)
            else:
                share = times_faster(alone, seconds)
                row["of the backbone's rate"] = f"{100 * share:.0f} %"
            rows.append(row)
    title = f"segment, {len(files)} photographs of 640 x 480, ViT-S/8 at {side} px, files to labels"
    return [Table("segment", title, rows, ["To reach: labels at 85 % of the backbone's rate."])]


def operations(file: Path, model: ACSeg) -> float:
    """Count the operations of the ViT's matrix products for a photograph of this size."""
    image = to_tensor(read_image(file), side=model.side, multiple=model.backbone.patch)
    return vit_operations(model, image.shape[1], image.shape[2])


def vit_operations(model: ACSeg, high: int, wide: int) -> float:
    """Count the operations of the ViT's matrix products, two for each multiply and add."""
    backbone = model.backbone
    height, width = backbone.grid_of(high, wide)
    tokens, dim = height * width + 1, backbone.dim
    block = 24 * tokens * dim * dim + 4 * tokens * tokens * dim
    return backbone.layers * block + 2 * tokens * dim * 3 * backbone.patch**2


def in_turns(forms: dict[str, Form], files: list[Path], rounds: int) -> dict[str, list[float]]:
    """Time every form on all files once a round, after one batch that loads what is loaded late."""
    for form in forms.values():
        form(files[:BATCH])
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(rounds):
        for name, form in forms.items():
            times[name].append(form(files))
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


def runtime_of(model: ACSeg) -> str:
    """Name what runs the backbone."""
    return str(getattr(model.backbone, "runtime", "torch"))
