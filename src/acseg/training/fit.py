"""From a folder of photographs to a RUN: cache pixels, train, describe regions, find classes."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acseg.classes.choose import choose_classes
from acseg.classes.clusters import fit_clusters
from acseg.classes.ids import cluster_count
from acseg.errors import DataError, RunError
from acseg.images.stream import stamp
from acseg.images.tiles import cut_sources
from acseg.images.walk import Source, find_images
from acseg.output.atomic import write_atomic
from acseg.output.lock import locked
from acseg.restore import restore_generator
from acseg.run import read_run
from acseg.training.diary import write_diary
from acseg.training.group import Group, join_group
from acseg.training.loop import fit_generator
from acseg.training.passes import (
    BATCH,
    FOREGROUND,
    NONE,
    Encoded,
    Pass,
    Progress,
    cache_pixels,
    describe,
    encode_sources,
)
from acseg.training.state import LOCK, is_whole, of_settings, sweep, tidy, unfinished
from acseg.training.store import Store

if TYPE_CHECKING:
    from acseg.model import ACSeg

log = logging.getLogger("acseg")

MOST_DESCRIPTORS = 100_000  # for k-means; of more regions, that many are drawn
LAST = ("classes", "restarts")  # settings that nothing in the state depends on


def fit_collection(
    model: "ACSeg",
    inputs: Sequence[str | Path],
    run: Path,
    *,
    by: Callable[..., Iterator[Encoded]] = encode_sources,
    progress: Progress = lambda task, done, of, note: None,
) -> bool:
    """Fit a model to a collection and write RUN; a killed call goes on where it was.

    What a call needs to go on lies in RUN/state and goes away at the end. Where `torchrun` started
    several processes, the first does all but the training of the generator, which they share.

    Parameters
    ----------
    model : ACSeg
        Its settings say how; its generator and classes are replaced.
    inputs : sequence of path
        Files, folders, globs.
    run : Path
        The folder to write.
    by : callable
        What encodes the pictures: this machine, or a cluster (`acseg.cluster.fit_pass.RayEncode`).
    progress : callable
        Told (task, done, of, note).

    Returns
    -------
    bool
        Whether this process wrote RUN: the first did.

    Raises
    ------
    DataError
        If no picture can be read, or there are too few regions for so many classes.
        Or if another call writes RUN.
    RunError
        If RUN holds the state of a call with other settings.
    """
    group = join_group(model.backbone.device)
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
            sources = list(cut_sources(sources, model.settings.tile, model.side))
            _fit(model, sources, run, failed, progress, group, by)
        tidy(run)
    return True


def _fit(
    model: "ACSeg",
    sources: Sequence[Source],
    run: Path,
    failed: dict[str, str],
    progress: Progress,
    group: Group,
    by: Callable[..., Iterator[Encoded]],
) -> None:
    """Do what is to do, holding the lock of RUN."""
    state = run / "state"
    work = Pass(model, sources, state, _claim(state, model, sources), failed, progress, by)
    pixels = cache_pixels(work)
    if len(pixels.present()) == 0:
        raise DataError(f"no picture to fit on. {_reasons(failed)}")
    group.tell(True)
    model.generator_, diary = fit_generator(
        pixels.rows,
        pixels.present(),
        model.settings,
        state=state,
        device=model.backbone.device,
        precision=model.backbone.precision,
        group=group,
        progress=lambda step, steps, loss, used: progress(
            "training the generator", step, steps, f"loss {loss:.4f}, {used:.1f} concepts"
        ),
    )
    descriptors, kinds = describe(work)
    model.centres_, curve = _find_classes(model, descriptors, kinds)
    model.failed_ = sorted(failed.items())
    notes = {
        "pictures": len(sources) - sum(s.relative in failed for s in sources),
        "failed": len(failed),
        "loss": diary[-1]["loss"] if diary else None,
        "concepts": float(np.mean((kinds.rows[kinds.present()] != NONE).sum(1))),
        "blocks": list(model.backbone.blocks),
    }
    lines = [json.dumps({"path": p, "error": r}, ensure_ascii=False) for p, r in model.failed_]
    write_atomic(run / "failed.jsonl", "".join(line + "\n" for line in lines))
    write_diary(run / "training.jsonl", diary)
    table = {"criterion": "held-out confidence of the clusters", "curve": curve}
    write_atomic(run / "classes.json", json.dumps(table, indent=1) + "\n")
    model.save(run, notes=notes)


def _train_along(model: "ACSeg", run: Path, group: Group) -> None:
    """Take part in the training that the first process of several leads."""
    if not group.tell():
        return
    pixels = Store.open(run / "state" / "pixels")
    model.generator_, _ = fit_generator(
        pixels.rows,
        pixels.present(),
        model.settings,
        state=run / "state",
        device=model.backbone.device,
        precision=model.backbone.precision,
        group=group,
    )


def _take_over(model: "ACSeg", run: Path) -> None:
    """Take what a call wrote that was killed as it tidied up."""
    _ = model.backbone  # settles what the settings leave open
    if not of_settings(run, model.settings):
        raise RunError(f"{run} is a finished RUN of other settings; --overwrite starts anew")
    found = read_run(run)
    backbone = model.backbone
    model.generator_ = restore_generator(found, run, backbone.dim).to(backbone.device)
    model.centres_ = found.centres
    lines = (run / "failed.jsonl").read_text(encoding="utf-8").splitlines()
    model.failed_ = [(line["path"], line["error"]) for line in map(json.loads, lines)]


def _reasons(failed: dict[str, str]) -> str:
    """Name the first few pictures that failed, each with its reason."""
    lines = [f"{path}: {reason}" for path, reason in sorted(failed.items())]
    more = [f"and {len(lines) - 5} more"] if len(lines) > 5 else []
    return "; ".join(lines[:5] + more)


def _claim(state: Path, model: "ACSeg", sources: Sequence[Source]) -> dict[str, Any]:
    """Say what the state depends on, and refuse a state that depends on something else."""
    side, stride = model.side, model.backbone.stride  # loads the backbone, settles the defaults
    files = [[s.relative, stamp(s)] for s in sources]
    listing = sha256(json.dumps(files).encode()).hexdigest()
    how = {"backbone": repr(model.backbone), "side": side, "stride": stride, "batch": BATCH}
    key = {**asdict(model.settings), **how, "files": listing}
    for name in LAST:
        del key[name]
    path = state / "claim.json"
    text = json.dumps(key, sort_keys=True)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise RunError(
            f"{state} belongs to an unfinished fit with other settings or pictures; "
            "repeat that one, use another folder, or pass --overwrite"
        )
    write_atomic(path, text)
    return key


def _find_classes(
    model: "ACSeg", descriptors: Store, kinds: Store
) -> tuple[NDArray[np.float32], list[tuple[int, float]]]:
    """Cluster the descriptors of the foreground regions of the collection."""
    settings = model.settings
    places = np.argwhere(kinds.rows[:] == FOREGROUND)  # (R, 2)
    if len(places) > MOST_DESCRIPTORS:
        random = np.random.default_rng(settings.seed)
        places = places[np.sort(random.permutation(len(places))[:MOST_DESCRIPTORS])]
    rows = np.asarray(descriptors.rows[places[:, 0], places[:, 1]], dtype=np.float32)
    curve: list[tuple[int, float]] = []
    if settings.classes == "auto":
        try:
            choice = choose_classes(rows, seed=settings.seed)
            clusters, curve = choice.classes, list(choice.curve)
        except DataError as error:  # a handful of pictures
            log.warning("%s; all regions become one class", error)
            clusters = 1
    else:
        clusters = cluster_count(int(settings.classes), background=settings.background)
    found = fit_clusters(rows, clusters, restarts=settings.restarts, seed=settings.seed)
    return found.centres, curve
