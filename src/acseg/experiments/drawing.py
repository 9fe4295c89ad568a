"""From the scores of a picture's regions to its label map, with the options of scoring."""

import numpy as np
import torch
from numpy.typing import NDArray

from acseg.classes.ids import paint
from acseg.concepts.assignment import assign, lerp, upsample_assignment
from acseg.drawing import Conceptualized
from acseg.experiments.refinement import guided_filter, pamr
from acseg.output.sampling import sample_labels

SHARPNESS = 10.0  # of the softmax that turns cosines into shares before they are refined


def draw_regions(
    found: Conceptualized,
    picture: np.ndarray,
    ids: NDArray[np.int64] | None = None,
    *,
    upsample: str = "scores",
    refine: str = "none",
) -> NDArray[np.int64]:
    """Draw the label map of one picture.

    Parameters
    ----------
    found : Conceptualized
        Of one picture.
    picture : (H, W, 3) uint8
    ids : (R,) int64, optional
        Class of each region. Default: the regions themselves, 0..R-1.
    upsample : "scores" or "labels"
    refine : "none", "guided" or "pamr"

    Returns
    -------
    (H, W) int64
    """
    size = picture.shape[0], picture.shape[1]
    prototypes = found.regions.label.cpu()  # (R,) rising
    if refine == "none" and upsample == "scores":
        labels, kept = upsample_assignment(found.scores[0], found.features.grid, size)
        rows = torch.searchsorted(prototypes, kept.cpu())[labels.cpu()]
    elif refine == "none":
        own = torch.searchsorted(prototypes, assign(found.scores[0]).cpu())
        grid = own.view(*found.features.grid).numpy()
        rows = torch.from_numpy(sample_labels(grid, (size[1], size[0])))
    else:
        rows = _refined(found, picture, prototypes, refine)
    if ids is None:
        return rows.numpy()
    return paint(rows.numpy(), ids).astype(np.int64)


def _refined(
    found: Conceptualized, picture: np.ndarray, prototypes: torch.Tensor, refine: str
) -> torch.Tensor:
    scores = found.scores[0][:, prototypes].float().cpu()  # (N, R)
    shares = (SHARPNESS * scores).softmax(1).T.reshape(-1, *found.features.grid)
    maps = lerp(lerp(shares, picture.shape[1], dim=-1), picture.shape[0], dim=-2)  # (R, H, W)
    colours = torch.from_numpy(picture).permute(2, 0, 1).float() / 255
    method = guided_filter if refine == "guided" else pamr
    return method(maps, colours).argmax(0)
