"""From concepts to label maps: every pixel goes to its nearest concept (ACSeg, CVPR 2023).

Concepts that no pixel chooses disappear: that is how their number adapts to the image.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 1e-12  # length by which a zero vector is divided, as in torch's normalize
BAND_VALUES = 2**20  # upsampled scores of one concept held at once: 4 MiB in float32


def concept_scores(pixels: Tensor, concepts: Tensor) -> Tensor:
    """Score every pixel against every concept by cosine, S_ic = cos(x_i, c_c).

    Parameters
    ----------
    pixels
        (B, N, D), floating point.
    concepts
        (B, k, D), floating point.

    Returns
    -------
    Tensor
        (B, N, k) in -1..1. A zero vector scores 0 with everything.

    Raises
    ------
    ValueError
        Where the shapes do not fit together.
    """
    check_shapes(pixels, concepts)
    products = pixels @ F.normalize(concepts, dim=-1).mT  # (B, N, k)
    return products / torch.linalg.vector_norm(pixels, dim=-1, keepdim=True).clamp(min=SMALLEST)


def check_shapes(pixels: Tensor, concepts: Tensor) -> None:
    """Raise ValueError where pixels (B, N, D) and concepts (B, k, D) do not fit together."""
    fits = pixels.ndim == 3 and concepts.ndim == 3
    if not fits or (pixels.shape[0], pixels.shape[2]) != (concepts.shape[0], concepts.shape[2]):
        raise ValueError(
            "expected pixels (B, N, D) and concepts (B, k, D) that agree in B and D, "
            f"found {tuple(pixels.shape)} and {tuple(concepts.shape)}"
        )


def assign(scores: Tensor) -> Tensor:
    """Give every pixel the concept it scores highest, a_i = argmax_c S_ic; the first one on a tie.

    Parameters
    ----------
    scores
        (..., k) floating point, as `concept_scores` gives them.

    Returns
    -------
    Tensor
        (...), int64, 0..k-1.
    """
    return scores.argmax(dim=-1)


def upsample_assignment(
    scores: Tensor, grid: tuple[int, int], size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Draw one image's assignment at full size: scores are upsampled first, then compared.

    Only concepts that own at least one pixel of the grid take part. Scores are interpolated
    bilinearly with the corners not aligned, one band of rows after another, so that memory stays
    bounded whatever the size; the result does not depend on the bands.

    Parameters
    ----------
    scores
        (N, k) floating point, row by row of the grid, as `concept_scores` gives them.
    grid
        (h, w) of the pixels, h * w = N.
    size
        (H, W) of the label map, 1 or more each.

    Returns
    -------
    labels : Tensor
        (H, W), int64. Labels are compact, 0..n-1 in the order of the prototypes, and each
        occurs.
    kept : Tensor
        (n,), int64: the prototype behind each label.

    Raises
    ------
    ValueError
        Where scores do not fit the grid or a size is below 1.
    """
    h, w = grid
    height, width = size
    if scores.ndim != 2 or scores.shape[0] != h * w or 0 in scores.shape:
        raise ValueError(
            f"expected scores (N, k) with N = {h} * {w} of the grid, found {tuple(scores.shape)}"
        )
    if height < 1 or width < 1:
        raise ValueError(f"size must be at least 1 x 1, found {height} x {width}")
    owners = assign(scores).unique()  # (m,) prototypes that own a pixel, in order
    maps = scores[:, owners].float().T.reshape(-1, h, w)  # (m, h, w)
    across = lerp(maps, width, dim=-1)  # (m, h, W)
    narrow = torch.uint8 if len(owners) <= 256 else torch.int32
    labels = torch.zeros((height, width), dtype=narrow, device=scores.device)
    rows = max(1, BAND_VALUES // width)
    for top in range(0, height, rows):
        band = slice(top, min(top + rows, height))
        best = lerp(across[0], height, dim=-2, out=band)  # (rows, W)
        for label in range(1, len(owners)):  # one concept after another: less memory to cross
            score = lerp(across[label], height, dim=-2, out=band)
            labels[band].masked_fill_(score > best, label)
            torch.maximum(best, score, out=best)
    present = labels.flatten().bincount(minlength=len(owners)) > 0  # (m,)
    compact = present.cumsum(dim=0) - 1  # (m,) the label of each owner
    return compact[labels.long()], owners[present]


def lerp(maps: Tensor, size: int, *, dim: int, out: slice = slice(None)) -> Tensor:
    """Resize `maps` along `dim` to `size` linearly, corners not aligned; give its part `out`."""
    n = maps.shape[dim]
    places = torch.arange(size, dtype=torch.float64, device=maps.device)[out]
    places = ((places + 0.5) * (n / size) - 0.5).clamp(0, n - 1)
    low = places.long()
    share = (places - low).to(maps.dtype)
    share = share.reshape([-1 if d == dim % maps.ndim else 1 for d in range(maps.ndim)])
    high = (low + 1).clamp(max=n - 1)
    return torch.lerp(maps.index_select(dim, low), maps.index_select(dim, high), share)
