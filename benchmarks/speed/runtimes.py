"""The backbone by runtime and number format, and all of `segment_batch` after it."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from unittest import mock

import numpy as np
import torch

from acseg.backbone.runtime import hindrance
from acseg.backbone.vit import TransformersVit
from acseg.model import ACSeg
from speed.models import SMALL, TINY, random_run, random_vit
from speed.segment import vit_operations
from speed.timing import How, Row, Table, spread, time_pairs, times_faster

PLAIN = "torch float32"
FUSED = "torch bfloat16, fused attention"  # what torch has of its own, not acseg's bands
WAYS = {  # name: (runtime, precision)
    PLAIN: ("torch", "float32"),
    FUSED: ("torch", "bfloat16"),
    "torch bfloat16": ("torch", "bfloat16"),
    "openvino float32": ("openvino", "float32"),
    "openvino bfloat16": ("openvino", "bfloat16"),
}
SIDES = ((224, 4), (448, 1))  # pixels, batch


def measure(how: How) -> list[Table]:
    """Measure a ViT-S/8 of random weights in every runtime that is installed, a table a size."""
    vit = random_vit(how.folder / "vit", TINY if how.quick else SMALL)
    tables = []
    for side, batch in ((48, 2),) if how.quick else SIDES:
        run = random_run(how.folder / f"run{side}", vit, side=side)
        models, missing = {}, []
        for name, (runtime, precision) in WAYS.items():
            if hindrance(
                runtime, torch.device("cpu"), TransformersVit.__new__(TransformersVit), ""
            ):
                missing.append(name)
                continue
            models[name] = ACSeg.load(run, device="cpu", runtime=runtime, precision=precision)
        forms = {
            f"{name}: {part}": form
            for name, model in models.items()
            for part, form in forms_of(name, model, side, batch).items()
        }
        times = time_pairs(forms, 2 if how.quick else max(3, how.rounds // 2))
        rows: list[Row] = []
        for name, model in models.items():
            row: Row = {"way": name}
            for part in ("backbone", "segment"):
                own, plain = (times[f"{way}: {part}"] for way in (name, PLAIN))
                row[f"{part}, ms an image"] = spread([s / batch for s in own])
                row[f"{part}, times faster"] = times_faster(plain, own)
                if part == "backbone":
                    floor = how.floor(vit_operations(model, side, side), 0, WAYS[name][1])
                    row["floor ms"] = 1e3 * floor
            rows.append(row)
        title = f"Runtimes, ViT-S/8 at {side} px, batch of {batch}"
        notes = [f"Times faster than {PLAIN}. segment: label maps of 640 x 480 from tensors."]
        notes += [f"Not installed: {', '.join(missing)}."] if missing else []
        tables.append(Table(f"runtimes {side}", title, rows, notes))
    return tables


def forms_of(name: str, model: ACSeg, side: int, batch: int) -> dict[str, Callable[[], Any]]:
    """Give what is timed of one way: the backbone alone, and everything up to label maps."""
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.random((batch, 3, side, side), dtype=np.float32))
    pictures = [random.integers(0, 256, (480, 640, 3), dtype=np.uint8) for _ in range(batch)]

    def within(work: Callable[[], Any]) -> Any:
        fused = mock.patch.object(model.backbone, "banded", False)
        with fused if name == FUSED else nullcontext():
            return work()

    return {
        "backbone": lambda: within(lambda: model.backbone(images)),
        "segment": lambda: within(lambda: model.segment_batch(pictures, images)),
    }
