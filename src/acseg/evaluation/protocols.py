"""The protocols of the field, kept apart: each function does one and says which.

P1 "collection"   K clusters, one Hungarian match over the whole set: the unsupervised number.
P2 "overcluster"  more clusters than classes, many to one by majority vote, which needs labels.
P3 "image"        a match inside each image: the quality of the masks, not of the classes.
"direct"          no match at all: ids are compared as they are, for classes learnt from masks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from acseg.errors import DataError
from acseg.evaluation import scores
from acseg.evaluation.confusion import VOID, Confusion, confusion
from acseg.evaluation.matching import NO_CLASS, Criterion, hungarian, majority
from acseg.evaluation.results import ImageResult, ImageScore, SetResult, class_names
from acseg.images.walk import Failure

Pair = tuple[str, np.ndarray, np.ndarray]  # name, labels (H, W), mask (H, W)

PROTOCOLS = ("collection", "overcluster", "image", "direct")


def evaluate_collection(
    pairs: Iterable[Pair],
    *,
    match: Criterion = "pixels",
    n_pred: int | None = None,
    n_true: int | None = None,
    classes: Sequence[str] | None = None,
    void: int = VOID,
) -> SetResult:
    """Score a set by protocol P1: one confusion matrix, one Hungarian match.

    A cluster that gets no class counts as wrong, and so do labelled pixels without a cluster.
    Classes that no mask of the set holds are left out of the mean and named in the result.

    Parameters
    ----------
    pairs : iterable of (name, labels, mask)
        One entry an image; labels and mask are (H, W) integer arrays of one size.
    match : {"pixels", "iou"}, default "pixels"
        What the Hungarian match makes largest. Both are in use; the result says which it was.
    n_pred, n_true : int, optional
        Numbers of clusters and classes; by default what the data holds.
    classes : sequence of str, optional
        Names of the classes.
    void : int, default 255
        Value of pixels without class or cluster.

    Raises
    ------
    DataError
        If a pair does not fit together (named), or no pixel of the set is labelled.
    """
    matrix, images = confusion_of(pairs, n_pred=n_pred, n_true=n_true, void=void)
    return _set_result("collection", match, matrix, hungarian(matrix, on=match), images, classes)


def evaluate_overcluster(
    pairs: Iterable[Pair],
    *,
    mapping: np.ndarray | None = None,
    n_pred: int | None = None,
    n_true: int | None = None,
    classes: Sequence[str] | None = None,
    void: int = VOID,
) -> SetResult:
    """Score a set by protocol P2: every cluster takes the class most frequent in it.

    Parameters
    ----------
    pairs : iterable of (name, labels, mask)
        One entry an image.
    mapping : (K,) integer, optional
        Class of each cluster, for instance ``majority`` of a training split. By default the vote is
        taken on the very pixels that are scored, which is the usual, optimistic form.
    n_pred, n_true, classes, void
        As in `evaluate_collection`; a given mapping says itself how many clusters there are.
    """
    if mapping is None:
        matrix, images = confusion_of(pairs, n_pred=n_pred, n_true=n_true, void=void)
        return _set_result("overcluster", "majority", matrix, majority(matrix), images, classes)
    mapping = np.asarray(mapping, dtype=np.int64)
    matrix, images = confusion_of(pairs, n_pred=len(mapping), n_true=n_true, void=void)
    voted = int(mapping.max(initial=-1)) + 1  # may be a class that is in no mask here
    matrix = matrix + Confusion(np.zeros((0, voted), np.int64), np.zeros(voted, np.int64))
    return _set_result("overcluster", "given", matrix, mapping, images, classes)


def evaluate_direct(
    pairs: Iterable[Pair],
    *,
    n_pred: int | None = None,
    n_true: int | None = None,
    classes: Sequence[str] | None = None,
    void: int = VOID,
) -> SetResult:
    """Score a set without a match: class n of the label maps is class n of the masks.

    For classes that were learnt from masks; an unsupervised result scored so is as good as chance.
    Parameters as in `evaluate_collection`.
    """
    matrix, images = confusion_of(pairs, n_pred=n_pred, n_true=n_true, void=void)
    count = matrix.counts.shape[0]
    same = np.arange(count)
    same[same >= matrix.counts.shape[1]] = NO_CLASS
    return _set_result("direct", "ids", matrix, same, images, classes)


def evaluate_images(pairs: Iterable[Pair], *, void: int = VOID) -> ImageResult:
    """Score a set by protocol P3: a Hungarian match on IoU inside each image.

    Cluster numbers mean nothing across images here. An image without a labelled pixel has no score
    and is listed among the failed.

    Parameters
    ----------
    pairs : iterable of (name, labels, mask)
        One entry an image.
    void : int, default 255
        Value of pixels without class or cluster.

    Raises
    ------
    DataError
        If a pair does not fit together (named), or no image can be scored.
    """
    rows: list[ImageScore] = []
    failed: list[Failure] = []
    for name, labels, mask in pairs:
        matrix = _confusion_of_one(name, labels, mask, None, None, void)
        if not matrix.total:
            failed.append(Failure(name, "no labelled pixel"))
            continue
        rows.append(
            ImageScore(
                name=name,
                miou=scores.matched_iou(matrix),
                covering=scores.covering(matrix),
                classes=int((matrix.true > 0).sum()),
                clusters=int((matrix.predicted > 0).sum()),
            )
        )
    if not rows:
        raise DataError("nothing to score: no image with a labelled pixel")
    return ImageResult(
        protocol="image",
        miou=_mean([row.miou for row in rows]),
        covering=_mean([row.covering for row in rows]),
        images=len(rows),
        mean_classes=_mean([row.classes for row in rows]),
        mean_clusters=_mean([row.clusters for row in rows]),
        per_image=rows,
        failed=failed,
    )


def confusion_of(
    pairs: Iterable[Pair],
    *,
    n_pred: int | None = None,
    n_true: int | None = None,
    void: int = VOID,
) -> tuple[Confusion, int]:
    """Add up the confusion matrix of a set; return it and the number of images."""
    matrix = Confusion(
        np.zeros((n_pred or 0, n_true or 0), dtype=np.int64), np.zeros(n_true or 0, dtype=np.int64)
    )
    images = 0
    for name, labels, mask in pairs:
        matrix = matrix + _confusion_of_one(name, labels, mask, n_pred, n_true, void)
        images += 1
    return matrix, images


def _set_result(
    protocol: str,
    match: str,
    matrix: Confusion,
    mapping: np.ndarray,
    images: int,
    classes: Sequence[str] | None,
) -> SetResult:
    if not matrix.total:
        raise DataError(f"nothing to score: no labelled pixel in {images} images")
    iou = scores.per_class_iou(matrix, mapping)
    names = class_names(classes, len(iou))
    return SetResult(
        protocol=protocol,
        match=match,
        miou=scores.miou(matrix, mapping),
        accuracy=scores.accuracy(matrix, mapping),
        frequency_weighted_iou=scores.frequency_weighted_iou(matrix, mapping),
        class_iou=[None if np.isnan(value) else float(value) for value in iou],
        classes=names,
        mapping=[int(target) for target in mapping],
        left_out=[name for name, value in zip(names, iou, strict=True) if np.isnan(value)],
        images=images,
        pixels=matrix.total,
    )


def _confusion_of_one(
    name: str,
    labels: np.ndarray,
    mask: np.ndarray,
    n_pred: int | None,
    n_true: int | None,
    void: int,
) -> Confusion:
    """The confusion matrix of one image; what is wrong with it is said with its name."""
    try:
        return confusion(labels, mask, n_pred, n_true, void=void)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
