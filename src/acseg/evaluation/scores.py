"""The scores: short formulas on a confusion matrix and a mapping from clusters to classes."""

from __future__ import annotations

import numpy as np

from acseg.evaluation.confusion import Confusion
from acseg.evaluation.matching import NO_CLASS, hungarian, iou_matrix


def class_confusion(confusion: Confusion, mapping: np.ndarray) -> Confusion:
    """Turn rows of clusters into rows of classes; what has no class is added to ``missed``.

    Parameters
    ----------
    confusion : Confusion
        K clusters against C classes.
    mapping : (K,) integer
        Class of each cluster, -1 for none.

    Returns
    -------
    Confusion
        Predicted class against true class, (C, C). No labelled pixel is lost on the way.
    """
    mapping = np.asarray(mapping)
    if mapping.shape != confusion.counts.shape[:1]:
        raise ValueError(
            f"mapping has shape {mapping.shape}; expected one class for each of the "
            f"{confusion.counts.shape[0]} clusters"
        )
    matched = mapping != NO_CLASS
    counts = np.zeros((confusion.counts.shape[1],) * 2, dtype=np.int64)
    np.add.at(counts, mapping[matched], confusion.counts[matched])
    return Confusion(counts, confusion.missed + confusion.counts[~matched].sum(axis=0))


def per_class_iou(confusion: Confusion, mapping: np.ndarray) -> np.ndarray:
    """Intersection over union of each class, (C,) float64.

    ``TP / (TP + FP + FN)``. A class without a labelled pixel has no score (NaN), also when it is
    predicted somewhere: those pixels are already wrong in the class that they belong to.
    """
    classes = class_confusion(confusion, mapping)
    hit = np.diag(classes.counts).astype(np.float64)
    union = classes.predicted + classes.true - hit
    iou = np.full(hit.shape, np.nan)
    np.divide(hit, union, out=iou, where=classes.true > 0)
    return iou


def miou(confusion: Confusion, mapping: np.ndarray) -> float:
    """Mean IoU over the classes that the ground truth holds; NaN if it holds none."""
    iou = per_class_iou(confusion, mapping)
    iou = iou[~np.isnan(iou)]
    return float(iou.mean()) if iou.size else float("nan")


def accuracy(confusion: Confusion, mapping: np.ndarray) -> float:
    """Share of the labelled pixels whose class is right; NaN without labelled pixels."""
    hit = np.diag(class_confusion(confusion, mapping).counts).sum()
    return float(hit / confusion.total) if confusion.total else float("nan")


def frequency_weighted_iou(confusion: Confusion, mapping: np.ndarray) -> float:
    """Mean IoU of the classes, each weighted by its share of the labelled pixels."""
    if not confusion.total:
        return float("nan")
    iou = np.nan_to_num(per_class_iou(confusion, mapping))  # absent classes have weight 0
    return float((iou * confusion.true).sum() / confusion.total)


def matched_iou(confusion: Confusion) -> float:
    """P3 of one image: matched IoUs, summed, over the number of classes present in it.

    The match is one to one, on IoU, inside this image. A class that no segment is left for adds 0.
    """
    present = int((confusion.true > 0).sum())
    if not present:
        return float("nan")
    mapping = hungarian(confusion, on="iou")
    matched = np.flatnonzero(mapping != NO_CLASS)
    return float(iou_matrix(confusion)[matched, mapping[matched]].sum() / present)


def covering(confusion: Confusion) -> float:
    """Covering of one image: best IoU of any segment for each region, weighted by area.

    A region is all pixels of one class in the image, connected or not; a segment all pixels of one
    label. One segment may be the best of several regions: nothing is matched here.
    """
    if not confusion.total:
        return float("nan")
    iou = iou_matrix(confusion)  # (K, C)
    best = iou.max(axis=0, initial=0.0)
    return float((best * confusion.true).sum() / confusion.total)
