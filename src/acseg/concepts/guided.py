"""Concepts drawn on the photograph: scores of tokens that follow the photograph's own edges.

Tokens are 14 pixels wide and edges are not. A guided filter (He et al., 2010) explains the score
of a concept p around every place as an affine function of the colour I, by least squares in a
window, with eps against colours that say nothing::

    a = (cov(I) + eps)^-1 cov(I, p),   b = mean(p) - a . mean(I),   q = mean(a) . I + mean(b)

The coefficients are found on a grid a few times as fine as the tokens, where this is cheap, and
applied to the colours of the photograph at its full size: an edge of the photograph within a
window becomes an edge of the concept. The scores are softened to shares of concepts first, so
that what matters is which concept is nearest and not how near it is.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

FINE = 2  # cells of the coefficients for the side of a token
RADIUS = 3  # of the window in these cells
EPS = 1e-3  # of colours in 0..1; less follows more, and leaves specks in foliage
SHARPNESS = 0.05  # cosine that divides the shares of two concepts by e
BAND = 2**16  # pixels that are drawn at once: they stay in the cache


def draw_labels(
    scores: Tensor,
    image: Tensor,
    *,
    fine: int = FINE,
    radius: int = RADIUS,
    eps: float = EPS,
    sharpness: float = SHARPNESS,
) -> Tensor:
    """Draw the concept of every pixel.

    Parameters
    ----------
    scores
        (k, h, w), cosine of each token with each concept.
    image
        (3, H, W), the photograph that the tokens are of, uint8 or floating point in 0..1.
    fine, radius, eps, sharpness
        Of the filter, see above.

    Returns
    -------
    Tensor
        (H, W) int64, 0..k - 1.

    Raises
    ------
    ValueError
        Where scores or image have other shapes.
    """
    if scores.ndim != 3 or image.ndim != 3 or len(image) != 3 or 0 in scores.shape + image.shape:
        raise ValueError(
            "scores and image must be (k, h, w) and (3, H, W), "
            f"found {tuple(scores.shape)} and {tuple(image.shape)}"
        )
    height, width = image.shape[1:]
    shares = (scores.float() / sharpness).softmax(0)  # (k, h, w)
    side = (fine * scores.shape[1], fine * scores.shape[2])
    p = F.interpolate(shares[None], size=side, mode="bilinear")[0]
    guide = F.interpolate(colours(image)[None], size=side, mode="area")[0]
    a, b = coefficients(guide, p, radius, eps)
    columns = torch.arange(width, device=scores.device)
    maps = resample(torch.cat([a, b[:, None]], dim=1), columns, width, 3)  # (k, 4, fh, W)
    labels = torch.empty(height, width, dtype=torch.int64, device=scores.device)
    step = max(1, BAND // width)
    for top in range(0, height, step):
        rows = torch.arange(top, min(top + step, height), device=scores.device)
        band = resample(maps, rows, height, 2)  # (k, 4, R, W)
        q = band[:, 3]
        for channel, colour in enumerate(colours(image[:, rows])):
            q = q.addcmul(band[:, channel], colour)
        labels[rows] = first_largest(q)
    return labels


def first_largest(q: Tensor) -> Tensor:
    """Give argmax over the first dimension of q (k, R, W), which PyTorch does slowly; (R, W)."""
    best, label = q[0], torch.zeros(q.shape[1:], dtype=torch.int64, device=q.device)
    for number in range(1, len(q)):
        label.masked_fill_(q[number] > best, number)
        best = torch.maximum(best, q[number])
    return label


def coefficients(guide: Tensor, p: Tensor, radius: int, eps: float) -> tuple[Tensor, Tensor]:
    """Fit p (k, h, w) by colours (3, h, w) in windows; gives a (k, 3, h, w) and b (k, h, w)."""
    k, h, w = p.shape
    mean, mean_p = box(guide, radius), box(p, radius)
    products = box((guide[:, None] * guide).flatten(0, 1), radius).view(3, 3, h, w)
    covariance = products - mean[:, None] * mean  # (3, 3, h, w)
    covariance = covariance + eps * torch.eye(3, device=p.device).view(3, 3, 1, 1)
    with_p = box((p[:, None] * guide).flatten(0, 1), radius).view(k, 3, h, w)
    with_p = with_p - mean_p[:, None] * mean
    a = (inverse(covariance) * with_p[:, None]).sum(2)  # (k, 3, h, w)
    b = mean_p - (a * mean).sum(1)
    return box(a.flatten(0, 1), radius).view(k, 3, h, w), box(b, radius)


def box(maps: Tensor, radius: int) -> Tensor:
    """Average maps (c, h, w) over windows; only what is inside the picture counts."""
    size = 2 * radius + 1
    rows = F.avg_pool2d(maps[None], (size, 1), 1, (radius, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, size), 1, (0, radius), count_include_pad=False)[0]


def inverse(matrix: Tensor) -> Tensor:
    """Invert symmetric matrices (3, 3, ...) by cofactors; elementwise, so it can be traced."""
    (a, b, c), (_, d, e), (_, _, f) = matrix
    rows = [
        [d * f - e * e, c * e - b * f, b * e - c * d],
        [c * e - b * f, a * f - c * c, b * c - a * e],
        [b * e - c * d, b * c - a * e, a * d - b * b],
    ]
    determinant = a * rows[0][0] + b * rows[0][1] + c * rows[0][2]
    return torch.stack([torch.stack(row) for row in rows]) / determinant


def resample(maps: Tensor, places: Tensor, size: int, dim: int) -> Tensor:
    """Read maps along a dimension at some of `size` places, linearly between their cells."""
    cells = maps.shape[dim]
    at = ((places + 0.5) * (cells / size) - 0.5).clamp(0, cells - 1)
    low = at.long().clamp(max=max(cells - 2, 0))
    high = (low + 1).clamp(max=cells - 1)
    share = (at - low).view(-1, *[1] * (maps.ndim - 1 - dim))
    return maps.index_select(dim, low).lerp(maps.index_select(dim, high), share)


def colours(image: Tensor) -> Tensor:
    """Give the colours of an image in 0..1, float32."""
    return image.float() if image.is_floating_point() else image.float() / 255
