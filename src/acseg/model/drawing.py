"""From the concepts of a picture to its label map at full size."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from acseg.concepts.assignment import upsample_assignment
from acseg.errors import ImageError
from acseg.model.pipeline import Concepts
from acseg.model.segmentation import Segmentation

NOT_FINITE = "the backbone's features of it are not finite numbers; try --precision float32"


def draw_leaves(concepts: Concepts | None, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw the leaf of each pixel, (H, W) uint8: scores are upsampled, then compared.

    Raises
    ------
    ImageError
        If the picture has no concepts, as its features are not finite.
    """
    if concepts is None:
        raise ImageError(NOT_FINITE)
    labels, kept = upsample_assignment(concepts.scores.cpu(), concepts.grid, size)
    return kept.numpy().astype(np.uint8)[labels.numpy()]


def draw_concepts(
    concepts: Concepts | None, picture: NDArray[np.uint8], *, granularity: float
) -> Segmentation:
    """Draw the concepts of a picture (H, W, 3) as labels 0..n-1."""
    leaves = draw_leaves(concepts, picture.shape[:2])
    assert concepts is not None  # noqa: S101  draw_leaves saw to it
    return Segmentation.of_leaves(leaves, picture, concepts, granularity=granularity)


def draw_classes(
    concepts: Concepts,
    part: torch.Tensor,
    picture: NDArray[np.uint8],
    *,
    ids: NDArray[np.int64],
    confidence: NDArray[np.float32],
    unsure: int | None,
    names: Mapping[int, str],
) -> Segmentation:
    """Draw the classes of a picture.

    Parameters
    ----------
    concepts : Concepts
    part : Tensor
        (n,) region of each leaf.
    picture : (H, W, 3) uint8
    ids, confidence : (R,) integer, (R,) float
        Class of each region, and how sure it is.
    unsure : int or None
        The background class: it has no centre that it could be near, and so no confidence.
    names : mapping of class id to str
    """
    leaves = draw_leaves(concepts, picture.shape[:2])
    region = part.cpu().numpy()
    pixels = np.bincount(region[leaves].ravel(), minlength=len(ids))  # (R,)
    sure = {}
    for c in np.unique(ids[pixels > 0]).tolist():
        if c != unsure:
            own = (ids == c) & (pixels > 0)
            sure[c] = round(float(np.average(confidence[own], weights=pixels[own])), 4)
    labels = ids.astype(np.uint8)[region][leaves]
    return Segmentation(labels, picture, "classes", sure, names)
