"""A step of the generator's training from cached pixels, and what 2,500 of them take."""

from statistics import median

import numpy as np
import torch

from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.concepts.modularity import has_bfloat16, modularity_loss
from acseg.settings import Settings
from acseg.training.loop import _draw, fit_generator
from acseg.training.store import Store
from speed.generator import operations
from speed.timing import How, Row, Table, spread, time_pairs

PICTURES, DIM = 512, 192  # of the bundled backbone
STEPS = 2500


def measure(how: How) -> list[Table]:
    """Measure whole steps of `fit_generator`, and the parts of one."""
    settings = Settings(steps=3 if how.quick else 12, batch=4 if how.quick else 32)
    sample, pictures = (49, 8) if how.quick else (settings.sample, PICTURES)
    random = np.random.default_rng(0)
    store = Store(how.folder / "pixels", (pictures, sample, DIM), np.float16, {})
    for index in range(pictures):
        centres = random.normal(0, 1, (5, DIM))
        store.put(index, centres[random.integers(0, 5, sample)] + random.normal(0, 1, DIM))
    allowed = [torch.float32]
    if has_bfloat16(torch.device("cpu")):
        allowed.append(torch.bfloat16)
    usable = store.present()
    steps = {
        _name(dtype): lambda dtype=dtype: fit_generator(
            store.rows, usable, settings, precision=dtype
        )
        for dtype in allowed
    }
    times = time_pairs(steps, 2 if how.quick else max(3, how.rounds // 2))
    rows: list[Row] = []
    for dtype in allowed:
        name = _name(dtype)
        a_step = [s / settings.steps for s in times[name]]
        parts = {
            part: 1e3 * median(s)
            for part, s in time_parts(how, store, usable, settings, dtype).items()
        }
        row: Row = {"products": name, "ms a step": spread(a_step)}
        row |= {"floor ms": 1e3 * how.floor(*cost(settings.batch, sample), name), **parts}
        rows.append(row | {f"minutes for {STEPS:,}": STEPS * median(a_step) / 60})
    title = f"Training, batch {settings.batch} of {sample} pixels, D = {DIM}, k = 5"
    note = f"To reach: {STEPS:,} steps in under 10 minutes on 2 cores. Reading overlaps the rest."
    return [Table("training", title, rows, [note])]


def cost(batch: int, n: int) -> tuple[float, float]:
    """Count a step's operations of matrix products, and the bytes of pixels and weights."""
    looks, layers = operations(n, DIM, 5)
    products = batch * (2 * looks + 3 * layers + n * n * DIM)  # frozen pixels take no gradient
    weights = 4 * 6 * 16 * DIM * DIM
    return products, 2 * batch * n * DIM + 8 * weights  # AdamW reads four numbers, writes three


def time_parts(
    how: How, store: Store, usable: np.ndarray, settings: Settings, dtype: torch.dtype
) -> dict[str, list[float]]:
    """Time what a step consists of."""
    generator = AdaptiveConceptGenerator(DIM)
    optimiser = torch.optim.AdamW(generator.parameters(), fused=True)
    pixels = _draw(store.rows, usable, settings, 0)
    rounded = dtype == torch.bfloat16

    def generate() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            return generator(pixels)

    concepts = generate().detach().requires_grad_()

    def loss() -> None:
        modularity_loss(pixels, concepts, precision=_name(dtype)).backward()

    def update() -> None:
        torch.nn.utils.clip_grad_norm_(generator.parameters(), 1.0)
        optimiser.step()

    generate().sum().backward()
    parts = {
        "reading ms": lambda: _draw(store.rows, usable, settings, 1),
        "generator ms": lambda: generate().sum().backward(),
        "loss ms": loss,
        "optimiser ms": update,
    }
    return time_pairs(parts, 2 if how.quick else how.rounds)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
