"""The loop that fits the generator to the cached features of a collection (ACSeg, CVPR 2023)."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.concepts.modularity import modularity_loss
from acseg.concepts.threshold import picture_threshold
from acseg.errors import DataError
from acseg.model.settings import Training
from acseg.training.checkpoint import load_checkpoint, save_checkpoint
from acseg.training.diary import read_diary, write_diary
from acseg.training.group import ALONE, Group

Progress = Callable[[int, int, float, float], None]

CHECKPOINT_STEPS = 250


def learning_rate(step: int, settings: Training) -> float:
    """Give the rate of a step: linear warm-up, then half a cosine down to zero."""
    warmup = min(settings.warmup, settings.steps)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    through = (step - warmup) / max(1, settings.steps - warmup)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * through))


def fit_generator(
    features: NDArray[Any],
    usable: NDArray[np.int64],
    settings: Training,
    *,
    concepts: int,
    seed: int = 0,
    state: Path | None = None,
    device: torch.device | str = "cpu",
    precision: torch.dtype = torch.float32,
    group: Group = ALONE,
    progress: Progress = lambda step, steps, loss, used: None,
) -> tuple[AdaptiveConceptGenerator, list[dict[str, float]]]:
    """Train the generator on the modularity of cached tokens.

    Every step draws its pictures and tokens from a seed of its own, so that a training that was
    killed and resumed gives the weights of one that was not.

    Parameters
    ----------
    features : (M, P, D) float16 or float32, may be memory-mapped
        Tokens of each picture.
    usable : (U,) int64
        Rows of `features` that are filled.
    settings : Training
    concepts : int
        Prototypes k.
    seed : int
        Of the first weights and of every draw.
    state : Path, optional
        Folder of the checkpoint and of the diary ``training.jsonl``. Default: none are kept.
    device : torch.device or str
    precision : torch.dtype
        Of matrix products and affinities: float32 (default), or bfloat16 where the device has it in
        hardware; weights, optimiser and sums stay float32.
    group : Group
        The processes that train together; each works on a part of every batch.
    progress : callable
        Told (step, steps, loss, mean number of concepts that own a token).

    Returns
    -------
    generator : AdaptiveConceptGenerator
        In evaluation mode.
    diary : list of dict
        step, loss and concepts of each step.

    Raises
    ------
    DataError
        If there is no usable picture.
    """
    if len(usable) == 0:
        raise DataError("no picture could be read, so there is nothing to train on")
    device = torch.device(device)
    rounded = precision == torch.bfloat16
    with torch.random.fork_rng(devices=[]):  # the caller's randomness stays as it is
        torch.manual_seed(seed)
        generator = AdaptiveConceptGenerator(features.shape[2], concepts=concepts).to(device)
    optimiser = torch.optim.AdamW(
        generator.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=device.type == "cpu",
    )
    checkpoint = None if state is None else state / "generator-checkpoint.safetensors"
    kept = {**asdict(settings), "concepts": concepts, "seed": seed}
    kept |= {"pictures": len(usable), "precision": str(precision).removeprefix("torch.")}
    networks = {"generator": generator}
    first = 0 if checkpoint is None else load_checkpoint(checkpoint, networks, optimiser, kept)
    diary = [] if state is None else read_diary(state / "training.jsonl", first)
    batches = _prefetch(features, usable, settings, seed, range(first, settings.steps))
    part = group.part(min(settings.batch_size, len(usable)))
    share = (part.stop - part.start) / min(settings.batch_size, len(usable))
    for step, drawn in enumerate(batches, first):
        tokens = drawn[part].to(device)  # (b, n, D)
        for tuned in optimiser.param_groups:
            tuned["lr"] = learning_rate(step, settings)
        with torch.autocast(device.type, torch.bfloat16, enabled=rounded):
            vectors = generator(tokens)  # (b, k, D)
        loss = modularity_loss(
            tokens,
            vectors,
            self_affinity=settings.self_affinity,
            threshold=picture_threshold(tokens) if settings.objective == "potts" else None,
            precision="bfloat16" if rounded else "float32",
        )
        optimiser.zero_grad(set_to_none=True)
        (share * loss).backward()
        group.sum_gradients(generator.parameters())
        torch.nn.utils.clip_grad_norm_(generator.parameters(), 1.0)
        optimiser.step()
        value = group.sum(share * float(loss.detach()))
        used = group.sum(share * mean_used(tokens, vectors.detach()))
        diary.append({"step": step + 1, "loss": round(value, 6), "concepts": round(used, 3)})
        progress(step + 1, settings.steps, value, used)
        done = step + 1 == settings.steps
        if checkpoint is not None and group.first and ((step + 1) % CHECKPOINT_STEPS == 0 or done):
            assert state is not None  # noqa: S101 - a checkpoint has a folder
            write_diary(state / "training.jsonl", diary)
            save_checkpoint(checkpoint, step + 1, networks, optimiser, kept)
    return generator.eval().requires_grad_(False), diary


def mean_used(tokens: torch.Tensor, concepts: torch.Tensor) -> float:
    """Count the concepts that own a token, on average over the pictures of a batch."""
    unit = torch.nn.functional.normalize(concepts, dim=2)  # the length of a token changes nothing
    labels = (tokens @ unit.mT).argmax(2)  # (b, n)
    owns = torch.nn.functional.one_hot(labels, concepts.shape[1]).any(1)  # (b, k)
    return float(owns.sum(1).float().mean())


def _prefetch(
    features: NDArray[Any],
    usable: NDArray[np.int64],
    settings: Training,
    seed: int,
    steps: range,
) -> Iterator[torch.Tensor]:
    """Give the batch of each step; the next one is read while this one is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = [pool.submit(_draw, features, usable, settings, seed, step) for step in steps[:1]]
        for step in steps:
            drawn = coming.pop().result()
            if step + 1 < steps.stop:
                coming.append(pool.submit(_draw, features, usable, settings, seed, step + 1))
            yield drawn


def _draw(
    features: NDArray[Any],
    usable: NDArray[np.int64],
    settings: Training,
    seed: int,
    step: int,
) -> torch.Tensor:
    """Draw the batch of a step: pictures without repetition while there are enough, and tokens."""
    random = np.random.default_rng((seed, step))
    size = min(settings.batch_size, len(usable))
    rows = np.sort(random.choice(usable, size, replace=False))
    tokens = np.asarray(features[rows])  # (b, P, D)
    if tokens.shape[1] > settings.sample:
        order = random.random(tokens.shape[:2]).argsort(axis=1)[:, : settings.sample]
        tokens = np.take_along_axis(tokens, order[..., None], axis=1)
    return torch.from_numpy(tokens).float()
