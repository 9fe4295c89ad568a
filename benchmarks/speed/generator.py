"""Generator and assignment of a batch, against clusterings of scikit-learn on the same pixels.

Every method runs in a process of its own, which starts anew in every round: the threads of torch,
of scikit-learn and of its matrix library wait for work by spinning, so that one takes the cores
from another in the same process. Two cores are used by two threads, or by one image on each.
"""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import numpy as np
import torch

from acseg.concepts.generator import default_heads
from acseg.concepts.modularity import has_bfloat16
from speed.alone import CONCEPTS, METHODS
from speed.pixels import pixels_of_photographs
from speed.timing import How, Row, Table, spread, times_faster

BATCH, SIDE, DIM = 16, 224, 384
STEPS = 6  # of the generator
TO_REACH = {
    "scikit-learn k-means": 100.0,
    "scikit-learn spectral": 30.0,
    "scikit-learn agglomerative": 30.0,
    "scikit-learn affinity propagation": 500.0,
}
NOTES = (
    "To reach: 500 images/s with {best} on 2 cores.",
    "Pixels of {pictures} squares of photographs that scikit-image and scikit-learn install as"
    " samples: the last two blocks of the bundled backbone, one after the other, of length one."
    " Every method in a process of its own, started anew in each round, with as many threads as"
    " said. scikit-learn has its own settings but for k and n_init = 10, and takes one image at a"
    " time: the time is the mean over all. Faster: than it by {best} with as many threads.",
)


def measure(how: How) -> list[Table]:
    """Measure the seconds an image of every method, with all threads and with one."""
    count, side = (2, 64) if how.quick else (BATCH, SIDE)
    pixels = pixels_of_photographs(count, side)
    n = pixels.shape[1]
    file = how.folder / "pixels.npy"
    np.save(file, pixels.numpy())
    names = [m for m in METHODS if "bfloat16" not in m or has_bfloat16(torch.device("cpu"))]
    best = [name for name in names if name not in TO_REACH][-1]
    threads = sorted({1 if how.quick else torch.get_num_threads(), 1}, reverse=True)
    forms = [(name, t) for t in threads for name in names]
    times: dict[tuple[str, int], list[float]] = {form: [] for form in forms}
    for turn in range(1 if how.quick else max(3, how.rounds // 2)):
        for form in forms if turn % 2 == 0 else forms[::-1]:
            times[form].append(seconds_alone(*form, file))
    rows: list[Row] = []
    for (name, t), seconds in times.items():
        row: Row = {"method": name, "threads": str(t), "ms an image": spread(seconds)}
        if name not in TO_REACH and t == torch.get_num_threads():
            dtype = name.split()[-1]
            row["floor ms"] = 1e3 * how.floor(*cost(n, DIM, CONCEPTS, count), dtype)
        row["images/s"] = 1 / median(seconds)
        if name in TO_REACH:
            row[f"{best} is faster"] = times_faster(seconds, times[best, t])
            row["to reach"] = TO_REACH[name]
        rows.append(row)
    title = f"Generator and assignment, batch of {count}, N = {n}, D = {DIM}, k = {CONCEPTS}"
    notes = [note.format(best=best, pictures=count) for note in NOTES]
    return [Table("generator", title, rows, notes)]


def seconds_alone(name: str, threads: int, file: Path) -> float:
    """Run a method in a process of its own and give its seconds an image."""
    limits = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-m", "speed.alone", name, str(file)],
        cwd=Path(__file__).parents[1],
        env=os.environ | dict.fromkeys(limits, str(threads)),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return float(done.stdout)


def cost(n: int, dim: int, k: int, batch: int) -> tuple[float, float]:
    """Count an image's operations of matrix products, and the bytes of pixels and weights once."""
    looks, layers = operations(n, dim, k)
    weights = STEPS * 16 * dim * dim
    return looks + layers + 2 * n * dim * k, 4 * (n * dim + weights / batch)


def operations(n: int, dim: int, k: int) -> tuple[float, float]:
    """Count an image's operations on its pixels, and those of the layers on its concepts."""
    looks = 2 * 2 * n * dim * default_heads(dim) * k
    layers = 2 * k * dim * dim * 16  # 4 of each attention, 8 of the feed-forward part
    return STEPS * looks, STEPS * layers
