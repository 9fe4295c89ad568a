"""Does the concept generator find how many clusters an image has? Trains it where that is known.

    python benchmarks/synthetic.py                    # one seed, a few minutes on one core
    python benchmarks/synthetic.py --seeds 0 1 2 --json synthetic.json

A scene has 2 to 6 clusters of unequal size. Its pixels are one direction that all scenes share, as
ViT features have one, plus their cluster's centre, which is new in every scene, plus noise. The
table compares the generator with k-means at fixed k on the same held-out scenes by the adjusted
Rand index (ARI). It should say: the generator is above the best fixed k, and the number of
concepts that it uses follows the true number (r > 0.5).
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

from acseg.concepts.assignment import assign, concept_scores
from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.concepts.modularity import modularity_loss

PIXELS, DIM, CLUSTERS = 144, 64, (2, 6)
HELD_OUT = 200
SHARED, UNEQUAL, NOISE = 1.0, 0.5, 0.5  # scales of the mean direction, log sizes, noise
BATCH = 32
REPORT = 250  # steps between lines of progress


def make_scenes(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw scenes: pixels (count, N, D) float32 and their true clusters (count, N) int64."""
    low, high = CLUSTERS
    number = torch.randint(low, high + 1, (count, 1), generator=generator)
    sizes = torch.randn(count, high, generator=generator).mul(UNEQUAL).exp()
    sizes = sizes.masked_fill(torch.arange(high) >= number, 0)
    truth = torch.multinomial(sizes, PIXELS, replacement=True, generator=generator)
    shared = torch.randn(DIM, generator=torch.Generator().manual_seed(99))
    centres = torch.randn(count, high, DIM, generator=generator)
    noise = torch.randn(count, PIXELS, DIM, generator=generator)
    chosen = centres.gather(1, truth[..., None].expand(-1, -1, DIM))
    return SHARED * shared + chosen + NOISE * noise, truth


def train(
    *, concepts: int, steps: int, lr: float, seed: int
) -> tuple[AdaptiveConceptGenerator, list[float]]:
    """Fit a generator with AdamW, warm-up over a tenth of the steps and a cosine to zero."""
    torch.manual_seed(seed)
    source = torch.Generator().manual_seed(2 * seed)
    model = AdaptiveConceptGenerator(DIM, concepts=concepts)
    decay = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}], lr=lr
    )
    warm = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda t: min(1, (t + 1) / warm) * (1 + math.cos(math.pi * t / steps)) / 2,
    )
    losses = []
    for step in range(1, steps + 1):
        batch, _ = make_scenes(BATCH, source)
        loss = modularity_loss(batch, model(batch))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % REPORT == 0:
            recent = np.mean(losses[-REPORT:])
            print(f"k={concepts} step {step} loss {recent:.4f}", file=sys.stderr, flush=True)
    return model, losses


def score(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Compare found with true clusters (S, N): mean ARI, mean numbers used, their correlation."""
    used, real = count_labels(found), count_labels(truth)
    return {
        "ari": float(np.mean([adjusted_rand_score(t, f) for t, f in zip(truth, found)])),
        "used": float(used.mean()),
        "true": float(real.mean()),
        "r": float(np.corrcoef(used, real)[0, 1]) if used.std() > 0 else 0.0,
    }


def count_labels(labels: Iterable[np.ndarray]) -> np.ndarray:
    """Count the distinct labels of each scene."""
    return np.array([len(np.unique(row)) for row in labels], dtype=float)


def run_seed(seed: int, args: argparse.Namespace) -> list[dict[str, float | str]]:
    """Measure k-means and the generator on the scenes of one seed."""
    held_out, truth = make_scenes(HELD_OUT, torch.Generator().manual_seed(2 * seed + 1))
    rows: list[dict[str, float | str]] = []
    for k in args.kmeans:
        start = time.process_time()
        units = F.normalize(held_out, dim=-1).numpy()
        found = np.stack([KMeans(k, n_init=10, random_state=seed).fit_predict(x) for x in units])
        seconds = time.process_time() - start
        rows.append(
            {"method": f"k-means, k={k}", "seconds": seconds, **score(found, truth.numpy())}
        )
    for k in args.concepts:
        start = time.process_time()
        model, losses = train(concepts=k, steps=args.steps, lr=args.lr, seed=seed)
        with torch.no_grad():
            labels = assign(concept_scores(held_out, model(held_out)))
        seconds = time.process_time() - start
        result = score(labels.numpy(), truth.numpy())
        last = float(np.mean(losses[-100:]))
        rows.append({"method": f"ACG, k={k}", "seconds": seconds, "loss": last, **result})
    return [{"seed": seed, **row} for row in rows]


def table(rows: list[dict[str, float | str]]) -> str:
    """Draw the rows as a Markdown table, mean over the seeds with the spread of the ARI."""
    lines = [
        "| method | ARI | clusters used | true | r(used, true) | processor seconds |",
        "|---|---|---|---|---|---|",
    ]
    for method in dict.fromkeys(row["method"] for row in rows):
        same = [row for row in rows if row["method"] == method]
        mean = {k: np.mean([float(row[k]) for row in same]) for k in ("ari", "used", "true", "r")}
        spread = np.std([float(row["ari"]) for row in same])
        seconds = np.mean([float(row["seconds"]) for row in same])
        r = "fixed" if str(method).startswith("k-means") else f"{mean['r']:.2f}"
        lines.append(
            f"| {method} | {mean['ari']:.3f} +- {spread:.3f} | {mean['used']:.2f} "
            f"| {mean['true']:.2f} | {r} | {seconds:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Read the settings, run every seed, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=2500, help="training steps (2500)")
    parser.add_argument("--lr", type=float, default=2e-3, help="peak learning rate (2e-3)")
    parser.add_argument("--concepts", type=int, nargs="+", default=[5, 8], help="k of the ACG")
    parser.add_argument("--kmeans", type=int, nargs="+", default=[3, 5, 8], help="k of k-means")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write every row here, too")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = [row for seed in args.seeds for row in run_seed(seed, args)]
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
