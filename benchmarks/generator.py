"""Compare settings of the generator on the pixels of real photographs.

    python benchmarks/generator.py PHOTOS
    python benchmarks/generator.py PHOTOS --count 600 --steps 1000 --json generator.json

Pixels of the bundled backbone, four fifths of the photographs to train on, one fifth held out. One
setting at a time differs from the first row. The score is the held-out modularity loss (lower is
better), with the mean number of concepts that own a pixel; there are no labels in it.
"""

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.concepts.modularity import modularity_loss
from acseg.evaluation.collection import fit_pixel_clusters
from acseg.images.stream import stream_pictures
from acseg.images.walk import find_images
from acseg.model import ACSeg
from acseg.training.loop import mean_used

VARIANTS: dict[str, dict[str, float]] = {
    "k=5, 3 heads, 6 steps, width 4, lr 1e-3": {},
    "lr 3e-4": {"lr": 3e-4},
    "lr 5e-4": {"lr": 5e-4},
    "lr 2e-3": {"lr": 2e-3},
    "1 head": {"heads": 1},
    "6 heads": {"heads": 6},
    "3 steps": {"steps": 3},
    "width 2": {"width": 2},
    "without self-affinity": {"self_affinity": 0},
    "k=3": {"concepts": 3},
    "k=8": {"concepts": 8},
    "k=16": {"concepts": 16},
    "seeded": {"seeded": 1},
    "k=8, seeded": {"concepts": 8, "seeded": 1},
    "k=16, seeded": {"concepts": 16, "seeded": 1},
}
"""What differs from the first; "seeded" starts the prototypes at the k-means centres of pixels."""


@dataclass(frozen=True)
class Row:
    """What one variant reached."""

    variant: str
    held_out_loss: float
    concepts: float
    seconds: float


def read_pixels(folder: str, count: int, sample: int) -> torch.Tensor:
    """Encode evenly spaced photographs and draw `sample` pixels of each: (M, sample, D)."""
    model = ACSeg.load(device="cpu")
    sources, _ = find_images([folder])
    places = np.linspace(0, len(sources) - 1, min(count, len(sources))).astype(int).tolist()
    found: dict[int, torch.Tensor] = {}
    stream = stream_pictures(
        sources,
        side=model.side,
        multiple=model.backbone.patch,
        batch=8,
        failed=lambda index, source, reason: None,
        only=places,
    )
    for pictures, images in stream:
        for picture, pixels in zip(pictures, model.backbone(images).tokens, strict=True):
            draw = torch.Generator().manual_seed(picture.index)
            found[picture.index] = pixels[torch.randperm(len(pixels), generator=draw)[:sample]]
    order = np.random.default_rng(0).permutation(sorted(found)).tolist()
    return torch.stack([found[i] for i in order])


def centres(pixels: torch.Tensor, k: int) -> torch.Tensor:
    """Find k centres of the pixels of all photographs, of the scale that the generator sees."""
    dim = pixels.shape[2]
    seen = functional.layer_norm(pixels, (dim,)).numpy()  # (M, P, D) all of one length
    found = fit_pixel_clusters(seen, k, per_image=pixels.shape[1])
    return functional.layer_norm(torch.from_numpy(found).float(), (dim,))


def train(pixels: torch.Tensor, held_out: torch.Tensor, steps: int, variant: str) -> Row:
    """Train one variant and score it on the held-out photographs."""
    change = VARIANTS[variant]
    torch.manual_seed(0)
    generator = AdaptiveConceptGenerator(
        pixels.shape[2],
        concepts=int(change.get("concepts", 5)),
        heads=int(change.get("heads", 3)),
        steps=int(change.get("steps", 6)),
        width=int(change.get("width", 4)),
    )
    if change.get("seeded"):
        generator.prototypes.data = centres(pixels, len(generator.prototypes))
    affinity = bool(change.get("self_affinity", 1))
    optimiser = torch.optim.AdamW(generator.parameters(), weight_decay=0.01)
    start = time.process_time()
    for step in range(steps):
        rise, fall = (step + 1) / (0.1 * steps), 0.5 * (1 + math.cos(math.pi * step / steps))
        optimiser.param_groups[0]["lr"] = change.get("lr", 1e-3) * min(rise, fall)
        batch = pixels[torch.randint(len(pixels), (16,))]
        loss = modularity_loss(batch, generator(batch), self_affinity=affinity)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(generator.parameters(), 1.0)
        optimiser.step()
    seconds = time.process_time() - start
    with torch.no_grad():
        concepts = generator(held_out)
        score = float(modularity_loss(held_out, concepts))
        return Row(variant, score, mean_used(held_out, concepts), seconds)


def main() -> None:
    """Read the settings, train every variant, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", help="folder of photographs")
    parser.add_argument("--count", type=int, default=240, help="photographs (240)")
    parser.add_argument("--steps", type=int, default=300, help="training steps (300)")
    parser.add_argument("--sample", type=int, default=256, help="pixels of a photograph (256)")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--json", type=Path, help="write every row here, too")
    args = parser.parse_args()

    pixels = read_pixels(args.photos, args.count, args.sample)
    cut = len(pixels) * 4 // 5
    rows = []
    print(
        "| variant | held-out loss x 1000 | concepts used | processor seconds |\n|---|---|---|---|"
    )
    for variant in args.only:
        row = train(pixels[:cut], pixels[cut:], args.steps, variant)
        rows.append(row)
        figures = f"{1000 * row.held_out_loss:.1f} | {row.concepts:.2f} | {row.seconds:.0f}"
        print(f"| {variant} | {figures} |", flush=True)
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
