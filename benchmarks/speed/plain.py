"""`segment` from files to written labels, against the forward pass of plain PyTorch."""

import time
from pathlib import Path

import torch

from acseg.images.batch import to_tensor
from acseg.images.read import read_image
from acseg.model import ACSeg
from speed.models import SMALL, TINY, photographs, random_run, random_vit
from speed.segment import ROUNDS, Form, in_turns, runtime_of, segment
from speed.timing import How, Row, Table, spread, times_faster

SIDES = ((224, 32), (448, 8))  # pixels, photographs
BATCH = 8


def measure(how: How) -> list[Table]:
    """Measure a ViT-S/8 end to end, and as transformers runs it alone: float32, as it comes."""
    sides = ((48, 2),) if how.quick else SIDES
    vit = random_vit(how.folder / "vit", TINY if how.quick else SMALL)
    pictures = photographs(how.folder / "photographs", sides[0][1])
    rows: list[Row] = []
    for side, count in sides:
        run = random_run(how.folder / f"run{side}", vit, side=side)
        model = ACSeg.load(run, device="cpu")
        forms: dict[str, Form] = {
            "plain PyTorch": lambda some, s=side: plain(vit, some, s),  # type: ignore[misc]
            "segment": lambda some, m=model: segment(how, m, some, overlays=False),  # type: ignore[misc]
        }
        files = sorted(pictures.iterdir())[:count]
        times = in_turns(forms, files, 1 if how.quick else ROUNDS)
        slow, fast = times["plain PyTorch"], times["segment"]
        row: Row = {"px": str(side), "images": str(count)}
        for name, seconds in times.items():
            row[f"{name}, ms an image"] = spread([s / count for s in seconds])
        ratio = times_faster(slow, fast)
        rows.append(row | {"times faster": ratio, "runtime": runtime_of(model)})
    title = "segment, files to labels, against the forward pass of plain PyTorch, float32"
    return [Table("plain", title, rows, ["To reach: 6 times faster."])]


def plain(vit: Path, files: list[Path], side: int) -> float:
    """Give the seconds of the ViT alone as transformers runs it, pictures read beforehand."""
    from transformers import ViTModel

    network = ViTModel.from_pretrained(vit, add_pooling_layer=False).eval()
    images = torch.stack([to_tensor(read_image(f), side=side, multiple=8) for f in files])
    start = time.perf_counter()
    with torch.inference_mode():
        for batch in images.split(BATCH):
            network(batch, interpolate_pos_encoding=True)
    return time.perf_counter() - start
