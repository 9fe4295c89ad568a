"""The loop of pre-training: a student learns, a teacher follows, a folder is written."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from acseg.backbone.precision import choose_device, choose_precision
from acseg.errors import DataError, RunError
from acseg.output.atomic import write_atomic
from acseg.pretraining.collage import collage_target, make_collage, no_collage
from acseg.pretraining.losses import affinity_loss, contrast, pool_regions, target_affinity
from acseg.pretraining.network import MEAN, STD, Network, Student, new_vit
from acseg.pretraining.photos import Photos
from acseg.pretraining.regions import MAX_REGIONS
from acseg.pretraining.settings import PretrainSettings
from acseg.pretraining.views import View, random_view
from acseg.training.checkpoint import load_checkpoint, save_checkpoint
from acseg.training.diary import read_diary, write_diary
from acseg.training.group import ALONE, Group

log = logging.getLogger("acseg")

MAY_CHANGE = ("steps", "warmup", "cooldown")  # a longer training may go on from a shorter one

Progress = Callable[[int, int, dict[str, float]], None]
Probe = Callable[[Path], dict[str, float]]


def pretrain(
    photos: Photos,
    out: Path,
    settings: PretrainSettings,
    *,
    start: Any = None,
    device: str = "auto",
    save_every: int = 250,
    probe: Probe | None = None,
    group: Group = ALONE,
    progress: Progress = lambda step, steps, losses: None,
) -> Path:
    """Train a ViT without labels and write it as a Hugging Face folder.

    A killed call goes on from its last checkpoint when it is called again with the same settings
    (`steps` may have grown): every step draws from its own seed, so the weights are those of a
    call that was never killed.

    Parameters
    ----------
    photos : Photos
    out : Path
        The folder to write: config.json, model.safetensors, preprocessor_config.json,
        pretraining.json (settings), pretraining.jsonl (losses and probes), state/ (checkpoint).
    settings : PretrainSettings
    start : ViTModel, optional
        Continue from this ViT (domain adaptation) instead of from scratch.
    device : str
        "auto", "cpu", "cuda".
    save_every : int
        Steps between checkpoints.
    probe : callable, optional
        Scores the folder written so far; called at each checkpoint.
    group : Group
        The processes that train together; each works on a part of every batch.
    progress : callable
        Told (step, steps, losses).

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    DataError
        If the patch does not divide `side`.
    RunError
        If `out` holds a checkpoint that is broken, of other settings, or of more steps.
    """
    where = choose_device(device)
    precision = choose_precision(where, "auto")
    torch.manual_seed(settings.seed)
    s = settings
    vit = new_vit(s.dim, s.layers, s.heads, s.patch, s.side) if start is None else start
    patch = vit.config.patch_size
    if s.side % patch:
        raise DataError(f"side = {s.side}: expected a multiple of the patch of the ViT, {patch}")
    student = Student(vit).to(where)
    teacher = Network(type(vit)(vit.config, add_pooling_layer=False)).to(where)
    if where.type == "cpu":  # plain matrix products beat the fused kernel there by a quarter
        for network in (student, teacher):
            network.vit.set_attn_implementation("eager")
    teacher.load_state_dict(student.state_dict(), strict=False)
    teacher.requires_grad_(False)
    optimiser = torch.optim.AdamW(
        student.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay, betas=(0.9, 0.95)
    )
    checkpoint = out / "state" / "checkpoint.safetensors"
    networks = {"student": student, "teacher": teacher}
    kept = asdict(settings)
    first = load_checkpoint(checkpoint, networks, optimiser, kept, may_change=MAY_CHANGE)
    if first > s.steps:
        raise RunError(
            f"{checkpoint} has taken {first} steps already, and {s.steps} are asked for; "
            "ask for more, or for another output folder"
        )
    diary = read_diary(out / "pretraining.jsonl", first)
    pixels, maps = (
        torch.from_numpy(photos.pixels).to(where),
        torch.from_numpy(photos.maps).to(where),
    )
    aspect = torch.from_numpy(photos.aspect)
    begun = time.monotonic()
    for step in range(first, s.steps):
        torch.manual_seed(s.seed * 1_000_003 + step)
        chosen = torch.randint(len(pixels), (s.batch,))
        near = chosen.to(where)
        views = [
            random_view(
                pixels[near],
                maps[near],
                aspect[chosen],
                side=s.side,
                patch=patch,
                area=s.crop,
                strength=s.strength,
            )
            for _ in range(2)
        ]
        for tuned in optimiser.param_groups:
            tuned["lr"] = s.rate(step)
        losses = _step(student, teacher, optimiser, views, settings, precision, group)
        follow(teacher, student, min(s.momentum, (step + 1) / (step + 10)))
        seen = (step + 1 - first) * s.batch / (time.monotonic() - begun)
        losses = {name: round(value, 5) for name, value in losses.items()}
        diary.append({"step": step + 1, **losses, "photographs_per_second": round(seen, 1)})
        progress(step + 1, s.steps, losses)
        if group.first and ((step + 1) % save_every == 0 or step + 1 == s.steps):
            write_backbone(teacher.vit, out)
            write_atomic(out / "pretraining.json", json.dumps(kept, indent=1) + "\n")
            write_diary(out / "pretraining.jsonl", diary)
            # Last of these: a call killed before it takes these steps again, and writes all.
            save_checkpoint(checkpoint, step + 1, networks, optimiser, kept)
            if probe is not None:
                diary[-1]["probe"] = probe(out)
                write_diary(out / "pretraining.jsonl", diary)
    return out


def _step(
    student: Student,
    teacher: Network,
    optimiser: torch.optim.Optimizer,
    views: list[View],
    settings: PretrainSettings,
    precision: torch.dtype,
    group: Group,
) -> dict[str, float]:
    """Take one step of the student on a pair of views; give its losses."""
    mine, other = views
    shown = no_collage(mine)
    if settings.collage > 0:
        shown = make_collage(mine, share=settings.collage)
    whole = len(mine.images)
    part = group.part(whole)
    share = (part.stop - part.start) / whole
    fast = precision == torch.bfloat16
    kind = mine.images.device.type
    with torch.autocast(kind, torch.bfloat16, enabled=fast):
        cls, pixels = student(shown.images[part])
    with torch.no_grad(), torch.autocast(kind, torch.bfloat16, enabled=fast):
        other_cls, other_pixels = teacher(other.images[part])
    losses: dict[str, Tensor] = {}
    target = target_affinity(
        mine.regions,
        mine.figure,
        figure_weight=settings.figure_weight,
        slope=settings.figure_slope,
    )
    if settings.collage > 0:
        target = collage_target(target, shown.piece, shown.pieces)
    losses["affinity"] = share * affinity_loss(pixels, target[part])
    scale = int(torch.randint(mine.regions.shape[1], ()))
    own = mine.regions[:, scale].masked_fill(shown.piece > 0, MAX_REGIONS - 1)[part]
    theirs = other.regions[part, scale]
    queries, size = pool_regions(pixels.float(), own, MAX_REGIONS)
    keys, other_size = pool_regions(other_pixels.float(), theirs, MAX_REGIONS)
    seen = (size >= 2) & (other_size >= 2)
    seen[:, -1] = False  # the last id gathers what is left over
    found, first = group.gather(teacher.region_head(keys[seen]))
    if len(found):
        losses["region"] = contrast(
            student.region_predictor(student.region_head(queries[seen])),
            found,
            temperature=settings.temperature,
            first=first,
        )
    found, first = group.gather(teacher.picture_head(other_cls.float()))
    losses["picture"] = contrast(
        student.picture_predictor(student.picture_head(cls.float())),
        found,
        temperature=settings.temperature,
        first=first,
    )
    total = sum(getattr(settings, name) * loss for name, loss in losses.items())
    assert isinstance(total, Tensor)  # noqa: S101 - the affinity loss is always there
    optimiser.zero_grad(set_to_none=True)
    total.backward()
    group.sum_gradients(student.parameters())
    torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
    optimiser.step()
    return {name: group.sum(float(loss.detach())) for name, loss in losses.items()}


@torch.no_grad()
def follow(teacher: Network, student: Student, momentum: float) -> None:
    """Move the teacher to the running mean of the student."""
    theirs = dict(student.named_parameters())
    names, slow = zip(*teacher.named_parameters(), strict=True)
    torch._foreach_lerp_(list(slow), [theirs[n] for n in names], 1 - momentum)


def write_backbone(vit: Any, out: Path) -> None:
    """Write a ViT as a float16 Hugging Face folder that transformers loads without our code."""
    from safetensors.torch import save as to_bytes

    weights = {name: value.half().contiguous().cpu() for name, value in vit.state_dict().items()}
    config = {**vit.config.to_dict(), "architectures": ["ViTModel"], "dtype": "float16"}
    config.pop("_name_or_path", None)  # of this machine alone
    preprocessor = {
        "image_processor_type": "ViTImageProcessor",
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": False,
        "image_mean": [MEAN] * 3,
        "image_std": [STD] * 3,
        "rescale_factor": 1 / 255,
    }
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "model.safetensors", to_bytes(weights, metadata={"format": "pt"}))
    write_atomic(out / "config.json", json.dumps(config, indent=1, sort_keys=True) + "\n")
    write_atomic(out / "preprocessor_config.json", json.dumps(preprocessor, indent=1) + "\n")
