"""The modularity loss with its gradient, against the dense forms: time and memory."""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from acseg.concepts import modularity_triton
from acseg.concepts.modularity import has_bfloat16, modularity_loss, pixel_degrees
from speed.peak import peak_mb
from speed.timing import How, Row, Table, figure, spread, time_pairs, times_faster

PIXELS = (196, 400, 784, 1600, 3136, 16384)
DENSE_UP_TO = 3136  # pixels; above, a dense form takes tens of GB
DIM, CONCEPTS = 384, 5
Loss = Callable[[Tensor, Tensor], Tensor]


def dense_at_once(pixels: Tensor, concepts: Tensor) -> Tensor:
    """Compute the loss as the paper writes it: N x N x k products at once, autograd."""
    w, positive, total = dense_parts(pixels, concepts)
    s = positive.mT  # (B, N, k)
    delta = (s[:, :, None] * s[:, None, :]).max(dim=3).values  # (B, N, N)
    return -(w * delta / total).sum(dim=(1, 2)).mean()


def dense_one_by_one(pixels: Tensor, concepts: Tensor) -> Tensor:
    """Compute the loss densely with one N x N product for each concept, autograd."""
    w, positive, total = dense_parts(pixels, concepts)
    delta = positive[:, 0, :, None] * positive[:, 0, None, :]  # (B, N, N)
    for c in range(1, positive.shape[1]):
        delta = torch.maximum(delta, positive[:, c, :, None] * positive[:, c, None, :])
    return -(w * delta / total).sum(dim=(1, 2)).mean()


def dense_parts(pixels: Tensor, concepts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute W (B, N, N), S+ (B, k, N) and 2m (B, 1, 1)."""
    x, c = F.normalize(pixels, dim=-1), F.normalize(concepts, dim=-1)
    a = (x @ x.mT).clamp(min=0)
    d = a.sum(dim=2)
    total = d.sum(dim=1)[:, None, None]
    return a - d[:, :, None] * d[:, None, :] / total, (c @ x.mT).clamp(min=0), total


def losses(device: str) -> dict[str, Loss]:
    """Name every form that runs here."""
    found: dict[str, Loss] = {
        "dense, N x N x k": dense_at_once,
        "dense, concept by concept": dense_one_by_one,
        "tiles, float32": lambda x, c: modularity_loss(x, c, tile=_tile(x)),
    }
    if has_bfloat16(torch.device(device)):
        found["tiles, bfloat16"] = lambda x, c: modularity_loss(
            x, c, precision="bfloat16", tile=_tile(x)
        )
    if device == "cuda" and "triton" in vars(modularity_triton):
        found["Triton, float32"] = modularity_loss
        found["Triton, bfloat16"] = lambda x, c: modularity_loss(x, c, precision="bfloat16")
    return found


def _tile(x: Tensor) -> int | None:
    """Ask for tiles where a GPU would take the kernel."""
    return 2048 if x.is_cuda else None


def inputs(batch: int, n: int, dim: int, k: int, device: str) -> tuple[Tensor, Tensor]:
    """Draw pixels that share a direction, and take k of them as concepts."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(batch, n, dim, generator=generator)
    pixels += torch.randn(batch, 1, dim, generator=generator) / 2
    return pixels.to(device), pixels[:, :k].clone().to(device).requires_grad_()


def step(loss: Loss, pixels: Tensor, concepts: Tensor) -> None:
    """Compute loss and gradient."""
    loss(pixels, concepts).backward()
    concepts.grad = None


def extra_mb(form: str, batch: int, n: int, dim: int, k: int, device: str) -> float:
    """Measure the MB that a form holds beyond its inputs; on a CPU in a process of its own."""
    if device == "cuda":
        pixels, concepts = inputs(batch, n, dim, k, device)
        step(losses(device)[form], pixels, concepts)  # chooses its blocks
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step(losses(device)[form], pixels, concepts)
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    numbers = [str(number) for number in (batch, n, dim, k)]
    child = [sys.executable, "-m", "speed.loss", form, *numbers]
    done = subprocess.run(
        child, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def measure(
    how: How,
    *,
    pixels: tuple[int, ...] = PIXELS,
    batch: int | None = None,
    dim: int = DIM,
    k: int = CONCEPTS,
) -> list[Table]:
    """Measure every form at every N; a ratio is to the faster of the dense forms."""
    batch = batch or (32 if how.device == "cuda" else 1)
    rows: list[Row] = []
    for n in (196,) if how.quick else pixels:
        rows += measure_size(how, batch, n, dim, k)
    title = f"Modularity loss and gradient, {how.device}, B = {batch}, D = {dim}, k = {k}"
    notes = [
        "The floor counts N^2 D operations (half of the symmetric A) a picture. Faster and memory "
        "are against the faster, and the smaller, of the dense forms."
    ]
    tables = [Table("loss", title, rows, notes)]
    if how.device == "cpu":
        tables.append(cached_degrees(how, dim, k))
    return tables


def measure_size(how: How, batch: int, n: int, dim: int, k: int) -> list[Row]:
    """Measure every form at one N."""
    x, c = inputs(batch, n, dim, k, how.device)
    forms = {
        name: lambda loss=loss: step(loss, x, c)
        for name, loss in losses(how.device).items()
        if n <= DENSE_UP_TO or not name.startswith("dense")
    }
    rounds = how.rounds if n <= 4000 else max(2, how.rounds // 3)
    times = time_pairs(forms, rounds, how.device)
    memory = {name: extra_mb(name, batch, n, dim, k, how.device) for name in forms}
    dense = [name for name in forms if name.startswith("dense")]
    rows: list[Row] = []
    for name in forms:
        dtype = "bfloat16" if "bfloat16" in name else "float32"
        row: Row = {"N": str(n), "form": name, "ms": spread(times[name])}
        moved = 4 * batch * n * (dim + 2 * k)  # x, S+ and its gradient once
        row["floor ms"] = 1e3 * how.floor(batch * n * n * dim, moved, dtype)
        row["MB more"] = memory[name]
        if dense and name not in dense:
            fastest = min(dense, key=lambda d: times_faster(times[d], times[name]))
            row["times faster"] = times_faster(times[fastest], times[name])
            least = min(memory[d] for d in dense)
            if memory[name] >= 1:  # less is not seen
                row["of the dense memory"] = f"1/{figure(least / memory[name])}"
        rows.append(row)
    return rows


def cached_degrees(how: How, dim: int, k: int) -> Table:
    """Measure what known degrees save."""
    rows: list[Row] = []
    allowed = "bfloat16" if has_bfloat16(torch.device("cpu")) else "float32"
    for n in (196,) if how.quick else (400, 1600, 8192):
        x, c = inputs(1, n, dim, k, "cpu")
        degrees = pixel_degrees(x)

        def known(x: Tensor, c: Tensor, degrees: Tensor = degrees) -> Tensor:
            return modularity_loss(x, c, degrees=degrees, precision=allowed)

        def unknown(x: Tensor, c: Tensor) -> Tensor:
            return modularity_loss(x, c, precision=allowed)

        forms = {
            "computed": lambda x=x, c=c: step(unknown, x, c),
            "known": lambda x=x, c=c: step(known, x, c),
        }
        times = time_pairs(forms, how.rounds if n < 4000 else max(2, how.rounds // 3))
        gain = times_faster(times["computed"], times["known"])
        row: Row = {"N": str(n), "computed ms": spread(times["computed"])}
        rows.append(row | {"known ms": spread(times["known"]), "times faster": gain})
    return Table("degrees", f"Degrees known beforehand, {allowed}", rows)


def main() -> None:
    """Print the MB of one form: what `extra_mb` starts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("form")
    parser.add_argument("numbers", type=int, nargs=4)
    args = parser.parse_args()
    batch, n, dim, k = args.numbers
    loss = losses("cpu")[args.form]
    step(loss, *inputs(1, 64, dim, k, "cpu"))  # loads what loads late
    x, c = inputs(batch, n, dim, k, "cpu")
    before = peak_mb()
    step(loss, x, c)
    print(peak_mb() - before)


if __name__ == "__main__":
    main()
