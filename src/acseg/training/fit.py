"""From a folder of photographs to a RUN: cache pixels, train, describe regions, find classes."""

import json
import logging
import shutil
from collections.abc import Callable, Sequence
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
from acseg.images.stream import stream_pictures
from acseg.images.tiles import cut_sources
from acseg.images.walk import Source, find_images
from acseg.images.write import write_atomic
from acseg.training.diary import write_diary
from acseg.training.loop import fit_generator
from acseg.training.store import Store

if TYPE_CHECKING:
    from acseg.model import ACSeg

log = logging.getLogger("acseg")

MOST_DESCRIPTORS = 100_000  # for k-means; of more regions, that many are drawn
BATCH = 16  # pictures encoded at once
NONE, BACKGROUND, FOREGROUND = 0, 1, 2  # what a prototype is in a picture
LAST = ("classes", "restarts")  # settings that nothing in the state depends on

Progress = Callable[[str, int, int, str], None]


def fit_collection(
    model: "ACSeg",
    inputs: Sequence[str | Path],
    run: Path,
    *,
    progress: Progress = lambda task, done, of, note: None,
) -> None:
    """Fit a model to a collection and write RUN; a killed call goes on where it was.

    What a call needs to go on lies in RUN/state and goes away at the end.

    Parameters
    ----------
    model : ACSeg
        Its settings say how; its generator and classes are replaced.
    inputs : sequence of path
        Files, folders, globs.
    run : Path
        The folder to write.
    progress : callable
        Told (task, done, of, note).

    Raises
    ------
    DataError
        If no picture can be read, or there are too few regions for so many classes.
    RunError
        If RUN holds the state of a call with other settings.
    """
    sources, failures = find_images(inputs)
    failed = {f.path: f.reason for f in failures}
    if not sources:
        raise DataError(f"no picture to fit on. {_reasons(failed)}".strip())
    sources = list(cut_sources(sources, model.settings.tile, model.side))
    state = run / "state"
    key = _claim(state, model, sources)
    pixels = _cache_pixels(model, sources, state, key, failed, progress)
    if len(pixels.present()) == 0:
        raise DataError(f"no picture to fit on. {_reasons(failed)}")
    model.generator_, diary = fit_generator(
        pixels.rows,
        pixels.present(),
        model.settings,
        state=state,
        device=model.backbone.device,
        progress=lambda step, steps, loss, used: progress(
            "training the generator", step, steps, f"loss {loss:.4f}, {used:.1f} concepts"
        ),
    )
    descriptors, kinds = _describe(model, sources, state, key, failed, progress)
    model.centres_, curve = _find_classes(model, descriptors, kinds)
    model.failed_ = sorted(failed.items())
    notes = {
        "pictures": len(sources) - sum(s.relative in failed for s in sources),
        "failed": len(failed),
        "loss": diary[-1]["loss"] if diary else None,
        "concepts": float(np.mean((kinds.rows[kinds.present()] != NONE).sum(1))),
        "block": model.backbone.block,
    }
    lines = [json.dumps({"path": p, "error": r}, ensure_ascii=False) for p, r in model.failed_]
    write_atomic(run / "failed.jsonl", "".join(line + "\n" for line in lines))
    write_diary(run / "training.jsonl", diary)
    table = {"criterion": "held-out confidence of the clusters", "curve": curve}
    write_atomic(run / "classes.json", json.dumps(table, indent=1) + "\n")
    model.save(run, notes=notes)
    del pixels, descriptors, kinds
    shutil.rmtree(state)


def _reasons(failed: dict[str, str]) -> str:
    """Name the first few pictures that failed, each with its reason."""
    lines = [f"{path}: {reason}" for path, reason in sorted(failed.items())]
    more = [f"and {len(lines) - 5} more"] if len(lines) > 5 else []
    return "; ".join(lines[:5] + more)


def _claim(state: Path, model: "ACSeg", sources: Sequence[Source]) -> dict[str, Any]:
    """Say what the state depends on, and refuse a state that depends on something else."""
    side, stride = model.side, model.backbone.stride  # loads the backbone, settles the defaults
    files = [[s.relative, _bytes(s.path)] for s in sources]
    listing = sha256(json.dumps(files).encode()).hexdigest()
    key = {**asdict(model.settings), "side": side, "stride": stride, "files": listing}
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


def _bytes(path: Path) -> int:
    """Say how long a file is; -1 where it is not to be had, which reading it will explain."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _cache_pixels(
    model: "ACSeg",
    sources: Sequence[Source],
    state: Path,
    key: dict[str, Any],
    failed: dict[str, str],
    progress: Progress,
) -> Store:
    """Cache a sample of each picture's pixels, of as many pictures as the budget allows."""
    settings, backbone = model.settings, model.backbone
    cells = max(1, model.side // backbone.patch) * (backbone.patch // backbone.stride)
    sample = min(settings.sample, cells * cells)
    room = int(settings.cache_gigabytes * 1e9 / (sample * backbone.dim * 2))
    random = np.random.default_rng(settings.seed)
    chosen = np.sort(random.permutation(len(sources))[: max(1, room)])
    if len(chosen) < len(sources):
        log.warning(
            "%d of %d pictures fit the cache of %.1f GB and train the generator",
            *(len(chosen), len(sources), settings.cache_gigabytes),
        )
    shape = (len(chosen), sample, backbone.dim)
    store = Store(state / "pixels", shape, np.float16, key)
    row_of = {int(index): row for row, index in enumerate(chosen)}
    todo = [int(chosen[row]) for row in store.missing()]
    done = len(chosen) - len(todo)
    for pictures, images in _stream(model, sources, todo, failed):
        features = backbone(images).pixels  # (b, N, D)
        for picture, pixels in zip(pictures, features, strict=True):
            draw = np.random.default_rng((settings.seed, picture.index))
            # a very long picture is made smaller and may have fewer: then some are drawn again
            some = np.sort(np.resize(draw.permutation(len(pixels)), sample))
            store.put(row_of[picture.index], pixels[some].cpu().numpy())
        done += len(pictures)
        progress("reading pixels", done, len(chosen), "")
    return store


def _describe(
    model: "ACSeg",
    sources: Sequence[Source],
    state: Path,
    key: dict[str, Any],
    failed: dict[str, str],
    progress: Progress,
) -> tuple[Store, Store]:
    """Describe every region: (M, k, D) descriptors, and (M, k) what each prototype is."""
    count, concepts = len(sources), model.settings.concepts
    descriptors = Store(
        state / "descriptors", (count, concepts, model.backbone.dim), np.float16, key
    )
    kinds = Store(state / "kinds", (count, concepts), np.uint8, key)
    todo = [int(i) for i in kinds.missing()]
    done = count - len(todo)
    for pictures, images in _stream(model, sources, todo, failed):
        found = model.conceptualize(images)
        vectors = model.describe(found, images).cpu().numpy()
        foreground = model.foreground(found)
        image, label = found.regions.image.cpu().numpy(), found.regions.label.cpu().numpy()
        kind = np.full(len(label), FOREGROUND, dtype=np.uint8)
        if foreground is not None:
            kind[~foreground.cpu().numpy()] = BACKGROUND
        for i, picture in enumerate(pictures):
            own = image == i
            row = np.zeros(descriptors.rows.shape[1:], dtype=np.float16)
            mark = np.full(concepts, NONE, dtype=np.uint8)
            row[label[own]], mark[label[own]] = vectors[own], kind[own]
            descriptors.put(picture.index, row)
            kinds.put(picture.index, mark)
        done += len(pictures)
        progress("describing regions", done, count, "")
    return descriptors, kinds


def _stream(
    model: "ACSeg", sources: Sequence[Source], todo: Sequence[int], failed: dict[str, str]
) -> Any:
    """Read the pictures of `todo` in batches; the reason of each failure goes to `failed`."""

    def note(index: int, source: Source, reason: str) -> None:
        failed[source.relative] = reason

    return stream_pictures(
        sources,
        side=model.side,
        multiple=model.backbone.patch,
        batch=BATCH,
        failed=note,
        only=todo,
        reading=model.settings.reading,
    )


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
