"""What an evaluation says: one record for a protocol over the set, one for the per-image one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from acseg.images.walk import Failure

TITLES = {
    "collection": "P1 collection: one Hungarian match over the whole set",
    "overcluster": "P2 over-clustering: many clusters to one class, by majority vote WITH labels",
    "image": "P3 image: a Hungarian match inside each image (mask quality only)",
    "direct": "Without a match: the ids of the label maps are those of the masks (supervised)",
}


@dataclass(frozen=True)
class SetResult:
    """Scores from the one confusion matrix of a set (protocol "collection" or "overcluster").

    Attributes
    ----------
    protocol : str
        "collection" (P1) or "overcluster" (P2). Never compare the two.
    match : str
        What decided the classes of the clusters: "pixels", "iou", "majority" or "given".
    miou, accuracy, frequency_weighted_iou : float
        0 .. 1. The mean is over the classes that the ground truth of the set holds.
    class_iou : list of float or None
        IoU of each class; None for a class that is nowhere in the ground truth.
    classes : list of str
        Names of the classes.
    mapping : list of int
        Class of each cluster, -1 for a cluster without a class: its pixels count as wrong.
    left_out : list of str
        The classes that no mask of the set holds, and that are therefore not in the mean.
    images, pixels : int
        Pictures and labelled pixels that were scored.
    failed : list of Failure
        What could not be scored, each with its reason.
    """

    protocol: str
    match: str
    miou: float
    accuracy: float
    frequency_weighted_iou: float
    class_iou: list[float | None]
    classes: list[str]
    mapping: list[int]
    left_out: list[str]
    images: int
    pixels: int
    failed: list[Failure] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return _plain(asdict(self))

    def to_json(self) -> str:
        """Return the record as JSON text; scores that do not exist are null."""
        return json.dumps(self.to_dict(), indent=2)

    def table(self, *, failures: bool = True) -> str:
        """Return the scores as plain text, one class a line."""
        unmatched = sum(target < 0 for target in self.mapping)
        clusters = f"{len(self.mapping)} clusters"
        if unmatched:
            clusters += f", {unmatched} without a class (their pixels count as wrong)"
        lines = [
            TITLES[self.protocol],
            f"matched on {self.match}; {self.images} images; {clusters}",
            "",
            *_columns(
                [
                    ("mIoU", _percent(self.miou)),
                    ("pixel accuracy", _percent(self.accuracy)),
                    ("frequency-weighted IoU", _percent(self.frequency_weighted_iou)),
                ]
            ),
            "",
            *_columns(
                [
                    (name, _percent(iou))
                    for name, iou in zip(self.classes, self.class_iou, strict=True)
                ]
            ),
        ]
        if self.left_out:
            lines += ["", f"not in any mask, so not in the mean: {', '.join(self.left_out)}"]
        return "\n".join([*lines, *(_failures(self.failed) if failures else [])])


@dataclass(frozen=True)
class ImageScore:
    """Scores of one image: its name, matched IoU, covering, and what was there."""

    name: str
    miou: float
    covering: float
    classes: int
    clusters: int


@dataclass(frozen=True)
class ImageResult:
    """Scores from a match inside each image (protocol "image", P3): means over the images.

    Attributes
    ----------
    protocol : str
        Always "image".
    miou : float
        Matched IoUs summed over the number of classes present, then the mean over images.
    covering : float
        Best IoU of any segment for each class region, weighted by area, then the mean over images.
    images : int
        Images that were scored.
    mean_classes, mean_clusters : float
        Classes present and clusters used, as means over the images.
    per_image : list of ImageScore
        The parts of the means.
    failed : list of Failure
        What could not be scored, each with its reason.
    """

    protocol: str
    miou: float
    covering: float
    images: int
    mean_classes: float
    mean_clusters: float
    per_image: list[ImageScore]
    failed: list[Failure] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return _plain(asdict(self))

    def to_json(self) -> str:
        """Return the record as JSON text; scores that do not exist are null."""
        return json.dumps(self.to_dict(), indent=2)

    def table(self, *, failures: bool = True) -> str:
        """Return the scores as plain text."""
        rows = [("mIoU", _percent(self.miou)), ("covering", _percent(self.covering))]
        rows += [
            ("classes in an image", f"{self.mean_classes:.2f}"),
            ("clusters in an image", f"{self.mean_clusters:.2f}"),
        ]
        head = [TITLES[self.protocol], f"matched on iou; {self.images} images", ""]
        return "\n".join([*head, *_columns(rows), *(_failures(self.failed) if failures else [])])


def class_names(names: Sequence[str] | None, number: int) -> list[str]:
    """The given names, filled up with numbers where there are fewer than classes."""
    named = list(names or [])[:number]
    return named + [str(index) for index in range(len(named), number)]


def _percent(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{100 * value:.1f}"


def _columns(rows: Sequence[tuple[str, str]]) -> list[str]:
    wide = max((len(name) for name, _ in rows), default=0)
    return [f"{name.ljust(wide)}  {value.rjust(6)}" for name, value in rows]


def _failures(failed: Iterable[Failure]) -> list[str]:
    lines = [f"  {failure.path}: {failure.reason}" for failure in failed]
    return ["", f"not scored: {len(lines)}", *lines] if lines else []


def _plain(value: Any) -> Any:
    """Not-a-number becomes None, everywhere inside."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
