"""What does summing the modularity loss over tiles save? Times it against the dense formula.

    python benchmarks/modularity.py                          # table of docs/generator.md
    python benchmarks/modularity.py --pixels 3136 --tiles 128 256 400 800

Every line is a process of its own on one thread: the least processor time of some runs of loss and
gradient, and by how much its resident memory rose at most over what it held before.
"""

import argparse
import resource
import subprocess
import sys
import time

import torch
import torch.nn.functional as F
from torch import Tensor

from acseg.concepts.modularity import modularity_loss

DIM = 384
PIXELS = [196, 784, 3136, 16384]
DENSE_UP_TO = 8192  # pixels; above, the dense form needs tens of GB


def dense_loss(pixels: Tensor, concepts: Tensor) -> Tensor:
    """Compute the loss as the paper writes it: whole N x N and N x N x k tensors, autograd."""
    x, c = F.normalize(pixels, dim=-1), F.normalize(concepts, dim=-1)
    a = (x @ x.mT).clamp(min=0)  # (B, N, N)
    d = a.sum(dim=2)  # (B, N)
    total = d.sum(dim=1)[:, None, None]  # (B, 1, 1)
    w = a - d[:, :, None] * d[:, None, :] / total  # (B, N, N)
    s = (x @ c.mT).clamp(min=0)  # (B, N, k)
    delta = (s[:, :, None] * s[:, None, :]).max(dim=3).values  # (B, N, N)
    return -(w * delta / total).sum(dim=(1, 2)).mean()


def measure(form: str, batch: int, n: int, k: int, runs: int) -> tuple[float, float]:
    """Give seconds and MB of one form ("dense" or a side of tiles) in this process."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(batch, n, DIM, generator=generator)
    pixels += torch.randn(batch, 1, DIM, generator=generator) / 2
    concepts = pixels[:, :k].clone().requires_grad_()
    modularity_loss(pixels[:1, :8], concepts[:1]).backward()  # loads what torch loads late
    before, best = peak_mb(), float("inf")
    for _ in range(runs):
        start = time.process_time()
        if form == "dense":
            loss = dense_loss(pixels, concepts)
        else:
            loss = modularity_loss(pixels, concepts, tile=int(form))
        loss.backward()
        best = min(best, time.process_time() - start)
    return best, peak_mb() - before


def peak_mb() -> float:
    """Give the most memory that this process ever held, in MB (Linux: kilobytes are counted)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print one Markdown line per size and form."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pixels", type=int, nargs="+", default=PIXELS)
    parser.add_argument("--tiles", type=int, nargs="+", default=[400], help="sides of tiles (400)")
    parser.add_argument("--concepts", type=int, default=5)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(*measure(args.one, args.batch, args.pixels[0], args.concepts, args.runs))
        return
    print("| N | form | ms | MB more |\n|---|---|---|---|")
    for n in args.pixels:
        for form in (["dense"] if n <= DENSE_UP_TO else []) + [str(tile) for tile in args.tiles]:
            child = [sys.executable, __file__, "--one", form, "--pixels", str(n)]
            for name in ("batch", "concepts", "runs"):
                child += [f"--{name}", str(getattr(args, name))]
            result = subprocess.run(child, check=True, capture_output=True, text=True)
            seconds, mb = map(float, result.stdout.split())
            label = form if form == "dense" else f"tiles of {form}"
            print(f"| {n} | {label} | {seconds * 1000:.1f} | {mb:.0f} |", flush=True)


if __name__ == "__main__":
    main()
