"""The losses of pre-training: affinity within a picture, contrast of regions and of pictures."""

import torch
import torch.nn.functional as F
from torch import Tensor

CLEAR = 0.06  # variance of the figure score from which a view has a clear figure


def sharpen(figure: Tensor, slope: float) -> Tensor:
    """Push a figure score (B, N) away from the middle of its range: ``sigmoid(slope (f - mid))``.

    A slope of 0 leaves the score as it is.
    """
    if slope == 0:
        return figure
    middle = (figure.amin(1, keepdim=True) + figure.amax(1, keepdim=True)) / 2  # (B, 1)
    return torch.sigmoid(slope * (figure - middle))


def target_affinity(
    regions: Tensor, figure: Tensor, *, figure_weight: float = 12.0, slope: float = 0.0
) -> Tensor:
    """Average the evidence that two pixels belong together.

    ``T_ij = (sum_s [r_si = r_sj] + w q (1 - |f_i - f_j|)^2) / (S + w q)``

    where ``q = min(1, (var f / 0.06)^2)`` is how clear the view's figure is: a view with one clear
    object is divided in figure and ground first, a scene without one into its regions.

    Parameters
    ----------
    regions : (B, S, N) int64
        Region ids at S scales.
    figure : (B, N) float32
        Figure score, 0 to 1.
    figure_weight : float
        w, votes of a clear figure against one vote a scale; try 1 to 16.
    slope : float
        Of `sharpen`, applied to f in T but not in q; 0 to 16.

    Returns
    -------
    (B, N, N) float32, 0 to 1
    """
    clear = (figure.var(1, correction=0) / CLEAR).square().clamp(max=1)
    figure = sharpen(figure, slope)
    same = (regions[..., :, None] == regions[..., None, :]).float().sum(1)  # (B, N, N)
    alike = (1 - (figure[:, :, None] - figure[:, None, :]).abs()).square()
    votes = (figure_weight * clear)[:, None, None]  # (B, 1, 1)
    return (same + votes * alike) / (regions.shape[1] + votes)


def affinity_loss(pixels: Tensor, target: Tensor) -> Tensor:
    """Square the distance of cosines from their target: ``mean_ij (cos(x_i, x_j) - T_ij)^2``.

    Parameters
    ----------
    pixels : (B, N, D)
    target : (B, N, N), 0 to 1
    """
    unit = F.normalize(pixels.float(), dim=-1)
    return (unit @ unit.transpose(1, 2) - target).square().mean()


def pool_regions(pixels: Tensor, regions: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Average the pixels of each region.

    Parameters
    ----------
    pixels : (B, N, D)
    regions : (B, N) int64 in 0..count-1

    Returns
    -------
    means : (B, count, D), zero where a region has no pixel
    sizes : (B, count)
    """
    member = F.one_hot(regions, count).to(pixels.dtype)  # (B, N, count)
    sizes = member.sum(1)
    return member.transpose(1, 2) @ pixels / sizes.clamp(min=1)[..., None], sizes


def contrast(queries: Tensor, keys: Tensor, *, temperature: float, first: int = 0) -> Tensor:
    """Cross-entropy of picking, among all keys, the one that belongs to each query (InfoNCE).

    Parameters
    ----------
    queries : (R, P)
    keys : (M, P)
        Row first + i belongs to query i; M = R, or more where several processes train together.
    temperature : float
        Try 0.1 to 0.3.
    first : int

    Returns
    -------
    scalar
        The sum over the queries over M: their mean, and with several processes their part of it.
    """
    queries = F.normalize(queries.float(), dim=-1)
    keys = F.normalize(keys.float(), dim=-1)
    logits = queries @ keys.T / temperature  # (R, M)
    wanted = torch.arange(first, first + len(logits), device=logits.device)
    return F.cross_entropy(logits, wanted, reduction="sum") / len(keys)
