"""Scoring a folder of label maps against a folder of masks, as ``acseg evaluate`` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from acseg.errors import AcsegError, DataError
from acseg.evaluation.confusion import VOID, confusion
from acseg.evaluation.matching import Criterion
from acseg.evaluation.protocols import (
    PROTOCOLS,
    Pair,
    evaluate_collection,
    evaluate_direct,
    evaluate_images,
    evaluate_overcluster,
)
from acseg.evaluation.results import ImageResult, SetResult
from acseg.images.walk import Failure
from acseg.names import MARK
from acseg.output.label_png import read_labels
from acseg.untrusted import inside


def evaluate_folders(
    labels_dir: str | Path,
    masks_dir: str | Path,
    protocol: str = "collection",
    *,
    match: Criterion = "pixels",
    n_pred: int | None = None,
    n_true: int | None = None,
    classes: Sequence[str] | None = None,
) -> SetResult | ImageResult:
    """Score every label map against the mask of the same name.

    Both folders are walked for PNGs, hidden ones excepted, and paired by the path below the folder
    without its suffix. What has no partner, cannot be read, differs in size or holds values beyond
    the given numbers is listed in the result's ``failed`` and costs no other image its score.
    Nothing is resized: a label map is scored at the size of its mask, or not at all.

    Parameters
    ----------
    labels_dir, masks_dir : str or Path
        Predicted label maps and ground truth: index PNGs (palette or grey), 255 = void.
    protocol : {"collection", "overcluster", "image", "direct"}, default "collection"
        P1, P2, P3, or ids as they are (see `acseg.evaluation.protocols`).
    match : {"pixels", "iou"}, default "pixels"
        What the match of P1 makes largest. P2 and P3 do not ask.
    n_pred, n_true : int, optional
        Numbers of clusters and classes; by default what the files hold.
    classes : sequence of str, optional
        Names of the classes.

    Raises
    ------
    DataError
        If the protocol is unknown, a folder does not exist, or nothing could be scored.
    """
    if protocol not in PROTOCOLS:
        raise DataError(f"protocol {protocol!r} is unknown; take one of {', '.join(PROTOCOLS)}")
    failed: list[Failure] = []
    pairs = read_pairs(labels_dir, masks_dir, failed, n_pred=n_pred, n_true=n_true)
    result: SetResult | ImageResult
    try:
        if protocol == "image":
            result = evaluate_images(pairs)
        elif protocol == "overcluster":
            result = evaluate_overcluster(pairs, n_pred=n_pred, n_true=n_true, classes=classes)
        elif protocol == "direct":
            result = evaluate_direct(pairs, n_pred=n_pred, n_true=n_true, classes=classes)
        else:
            result = evaluate_collection(
                pairs, match=match, n_pred=n_pred, n_true=n_true, classes=classes
            )
    except DataError as error:
        if not failed:
            raise
        first = f"{failed[0].path}: {failed[0].reason}"
        raise DataError(f"{error}; {len(failed)} files failed, the first is {first}") from None
    return replace(result, failed=[*failed, *result.failed])


def read_pairs(
    labels_dir: str | Path,
    masks_dir: str | Path,
    failed: list[Failure],
    *,
    n_pred: int | None = None,
    n_true: int | None = None,
) -> Iterator[Pair]:
    """Read (name, labels, mask) of each pair of files; append to `failed` what does not fit."""
    labels = _by_stem(labels_dir, "label maps", failed)
    masks = _by_stem(masks_dir, "masks", failed)
    for stem in sorted(labels.keys() | masks.keys()):
        if stem not in masks:
            failed.append(Failure(str(labels[stem]), f"no mask of this name in {masks_dir}"))
            continue
        if stem not in labels:
            failed.append(Failure(str(masks[stem]), f"no label map of this name in {labels_dir}"))
            continue
        try:
            pair = (stem, read_labels(labels[stem]), read_labels(masks[stem]))
            confusion(pair[1], pair[2], n_pred, n_true, void=VOID)
        except AcsegError as error:
            failed.append(Failure(str(labels[stem]), str(error)))
            continue
        yield pair


def _by_stem(folder: str | Path, what: str, failed: list[Failure]) -> dict[str, Path]:
    """All PNGs below a folder by their relative path without suffix."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected a folder of {what} (PNG)")
    root = folder.parent
    written = (root / MARK).is_dir() or (
        root / "segments.jsonl"
    ).exists()  # links are refused there
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in below.parts)
        if hidden or path.suffix.lower() != ".png" or not path.is_file():
            continue
        stem = below.with_suffix("").as_posix()
        if written:
            try:
                inside(root, path.relative_to(root).as_posix())
            except DataError as error:
                failed.append(Failure(str(path), str(error)))
                continue
        if stem in found:  # a.png beside a.PNG
            failed.append(Failure(str(path), f"same name as {found[stem].name}, which was taken"))
        else:
            found[stem] = path
    if not found:
        raise DataError(f"{folder}: holds no PNG; expected {what} as index PNGs")
    return found
