"""Scoring what a model draws for the pictures of a data set, without writing label maps."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from acseg.errors import DataError, ImageError
from acseg.evaluation.datasets.base import DataSet
from acseg.evaluation.matching import Criterion
from acseg.evaluation.protocols import (
    PROTOCOLS,
    evaluate_collection,
    evaluate_images,
    evaluate_overcluster,
)
from acseg.evaluation.results import ImageResult, SetResult
from acseg.images.walk import Failure

Draw = Callable[[np.ndarray], np.ndarray]  # picture (H, W, 3) uint8 -> labels (H, W)


def evaluate_predictions(
    data: DataSet,
    draw: Draw,
    protocol: str = "collection",
    *,
    match: Criterion = "pixels",
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> SetResult | ImageResult:
    """Score a model on a data set, each picture and mask cut by the data set's crop rule.

    Parameters
    ----------
    data : DataSet
    draw : callable
        Picture (H, W, 3) uint8 to labels (H, W), 255 void.
    protocol : {"collection", "overcluster", "image"}, default "collection"
    match : {"pixels", "iou"}, default "pixels"
        What the Hungarian match of P1 counts.
    progress : callable
        Told (done, of).

    Returns
    -------
    SetResult or ImageResult
        Pictures that could not be read stand in `failed` and cost no other its score.

    Raises
    ------
    DataError
        If the protocol is unknown, or nothing could be scored.
    """
    if protocol not in PROTOCOLS:
        raise DataError(f"protocol {protocol!r} is unknown; take one of {', '.join(PROTOCOLS)}")
    failed: list[Failure] = []

    def pairs() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for done, sample in enumerate(data, start=1):
            try:
                picture, mask = data.crop_rule(sample.image(), sample.mask())
            except ImageError as error:
                failed.append(Failure(sample.name, str(error)))
                continue
            yield sample.name, draw(picture), mask
            progress(done, len(data))

    if protocol == "image":
        per_image = evaluate_images(pairs(), void=data.void)
        return replace(per_image, failed=[*failed, *per_image.failed])
    n_true, classes, void = len(data.classes), data.classes, data.void
    if protocol == "collection":
        result = evaluate_collection(
            pairs(), match=match, n_true=n_true, classes=classes, void=void
        )
    else:
        result = evaluate_overcluster(pairs(), n_true=n_true, classes=classes, void=void)
    return replace(result, failed=[*failed, *result.failed])
