"""From a folder of photographs to a model folder: train, describe regions, find classes."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from acseg.errors import DataError, ModelError
from acseg.images.stream import stamp
from acseg.images.tiles import cut_sources
from acseg.images.walk import Source, find_images
from acseg.model.folder import read_model_folder, restore_generator
from acseg.output.atomic import write_atomic
from acseg.output.lock import locked
from acseg.training.diary import write_diary
from acseg.training.find_classes import find_classes
from acseg.training.group import Group, join_group
from acseg.training.loop import fit_generator
from acseg.training.passes import (
    BATCH,
    Encoded,
    Model,
    Pass,
    Progress,
    cache_tokens,
    describe,
    encode_sources,
)
from acseg.training.state import LOCK, is_whole, of_settings, sweep, tidy, unfinished
from acseg.training.store import Store

log = logging.getLogger("acseg")

LAST = ("n_classes", "foreground", "n_init")  # settings that nothing in the state depends on


def fit_collection(
    model: Model,
    inputs: Sequence[str | Path],
    run: Path,
    *,
    by: Callable[..., Iterator[Encoded]] = encode_sources,
    progress: Progress = lambda task, done, of, note: None,
) -> bool:
    """Fit a model to a collection and write its folder; a killed call resumes when repeated.

    What a call needs to resume lies in the folder's state/ and goes away at the end. Where
    `torchrun` started several processes, the first does all but the training of the generator,
    which they share.

    Parameters
    ----------
    model : ACSeg
        Its settings say how; its generator and classes are replaced.
    inputs : sequence of path
        Files, folders, globs.
    run : Path
        The folder to write.
    by : callable
        What encodes the pictures: this machine, or a cluster.
    progress : callable
        Told (task, done, of, note).

    Returns
    -------
    bool
        Whether this process wrote the folder: the first did.

    Raises
    ------
    DataError
        If no picture can be read, there are too few regions for so many classes, or another call
        writes the folder.
    ModelError
        If the folder holds the state of a call with other settings.
    """
    group = join_group(model.pipeline.backbone.device)
    if not group.first:
        _train_along(model, run, group)
        return False
    sources, failures = find_images(inputs)
    failed = {f.path: f.reason for f in failures}
    if not sources:
        raise DataError(f"no picture to fit on. {_reasons(failed)}".strip())
    again = unfinished(run)
    with locked(run / "state" / LOCK):
        sweep(run)
        if again and is_whole(run):
            group.tell(False)
            _take_over(model, run)
        else:
            how = model.settings.encoding
            sources = list(cut_sources(sources, how.tile, how.side))
            _fit(model, sources, run, failed, progress, group, by)
        tidy(run)
    return True


def _fit(
    model: Model,
    sources: Sequence[Source],
    run: Path,
    failed: dict[str, str],
    progress: Progress,
    group: Group,
    by: Callable[..., Iterator[Encoded]],
) -> None:
    """Do what is to do, holding the lock of the folder."""
    state = run / "state"
    work = Pass(model, sources, run, _claim(state, model, sources), failed, progress, by)
    diary: list[dict[str, float]] = []
    if model.settings.dividing.division == "generator":
        tokens = cache_tokens(work)
        if len(tokens.present()) == 0:
            raise DataError(f"no picture to fit on. {_reasons(failed)}")
        group.tell(True)
        model.generator_, diary = _train(
            model,
            tokens,
            state,
            group,
            lambda step, steps, loss, used: progress(
                "training the generator", step, steps, f"loss {loss:.4f}, {used:.1f} concepts"
            ),
        )
        write_diary(run / "training.jsonl", diary)
    else:
        group.tell(False)
    means, facts = describe(work)
    if len(facts.present()) == 0:
        raise DataError(f"no picture to fit on. {_reasons(failed)}")
    found = find_classes(model.settings, means, facts)
    model.centres_, model.foreground_ = found.centres, found.foreground
    model.failed_ = sorted(failed.items())
    notes = {
        "pictures": len(sources) - sum(s.relative in failed for s in sources),
        "failed": len(failed),
        "loss": diary[-1]["loss"] if diary else None,
        "concepts": found.parts,
        "blocks": list(model.pipeline.backbone.blocks),
    }
    lines = [json.dumps({"path": p, "error": r}, ensure_ascii=False) for p, r in model.failed_]
    write_atomic(run / "failed.jsonl", "".join(line + "\n" for line in lines))
    found.write_curve(run)
    model.save_pretrained(run, notes=notes)


def _train(
    model: Model,
    tokens: Store,
    state: Path,
    group: Group,
    progress: Callable[[int, int, float, float], None] = lambda step, steps, loss, used: None,
) -> tuple[Any, list[dict[str, float]]]:
    """Train the generator on cached tokens."""
    backbone, settings = model.pipeline.backbone, model.settings
    return fit_generator(
        tokens.rows,
        tokens.present(),
        settings.training,
        concepts=settings.dividing.concepts,
        seed=settings.seed,
        state=state,
        device=backbone.device,
        precision=backbone.precision,
        group=group,
        progress=progress,
    )


def _train_along(model: Model, run: Path, group: Group) -> None:
    """Take part in the training that the first process of several leads."""
    if group.tell():
        tokens = Store.open(run / "state" / "tokens")
        model.generator_, _ = _train(model, tokens, run / "state", group)


def _take_over(model: Model, run: Path) -> None:
    """Take what a call wrote that was killed as it tidied up."""
    if not of_settings(run, model.settings):
        raise ModelError(f"{run} is a finished model of other settings; --overwrite starts anew")
    found = read_model_folder(run)
    model.generator_ = restore_generator(found, run)
    model.centres_, model.foreground_ = found.centres, found.foreground
    lines = (run / "failed.jsonl").read_text(encoding="utf-8").splitlines()
    model.failed_ = [(line["path"], line["error"]) for line in map(json.loads, lines)]


def _reasons(failed: dict[str, str]) -> str:
    """Name the first few pictures that failed, each with its reason."""
    lines = [f"{path}: {reason}" for path, reason in sorted(failed.items())]
    more = [f"and {len(lines) - 5} more"] if len(lines) > 5 else []
    return "; ".join(lines[:5] + more)


def _claim(state: Path, model: Model, sources: Sequence[Source]) -> dict[str, Any]:
    """Say what the state depends on, and refuse a state that depends on something else."""
    files = [[s.relative, stamp(s)] for s in sources]
    listing = sha256(json.dumps(files).encode()).hexdigest()
    how = {"machine": repr(model.pipeline.backbone), "batch": BATCH, "files": listing}
    key = {**model.settings.flat(), **how}
    for name in LAST:
        del key[name]
    path = state / "claim.json"
    text = json.dumps(key, sort_keys=True)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ModelError(
            f"{state} belongs to an unfinished fit with other settings or pictures; "
            "repeat that one, use another folder, or pass --overwrite"
        )
    write_atomic(path, text)
    return key
