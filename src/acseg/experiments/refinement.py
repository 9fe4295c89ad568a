"""Drawing scores to the edges of the picture: the guided filter and PAMR."""

import torch
import torch.nn.functional as F
from torch import Tensor

DILATIONS = (1, 2, 4, 8, 12, 24)


def guided_filter(
    scores: Tensor, picture: Tensor, *, radius: int = 8, smoothing: float = 1e-3
) -> Tensor:
    """Filter score maps by the brightness of the picture (He, Sun and Tang, ECCV 2010).

    In each window w, ``s = a g + b`` with ``a = cov_w(g, s) / (var_w(g) + eps)``, ``b = mean_w(s)
    - a mean_w(g)``; what is drawn is ``mean_w(a) g + mean_w(b)``.

    Parameters
    ----------
    scores : (k, H, W) float
    picture : (3, H, W) float in 0..1
    radius : int
        Of the window in px; 4 to 16.
    smoothing : float
        eps; 1e-4 (follows every edge) to 1e-2.

    Returns
    -------
    (k, H, W) float
    """
    guide = picture.mean(0, keepdim=True)  # (1, H, W)

    def window(x: Tensor) -> Tensor:
        return F.avg_pool2d(x[None], 2 * radius + 1, 1, radius, count_include_pad=False)[0]

    mean_g, mean_s = window(guide), window(scores)
    slope = (window(guide * scores) - mean_g * mean_s) / (
        window(guide * guide) - mean_g.square() + smoothing
    )
    offset = mean_s - slope * mean_g
    return window(slope) * guide + window(offset)


def pamr(scores: Tensor, picture: Tensor, *, iterations: int = 10, slope: float = 0.1) -> Tensor:
    """Refine score maps by pixel-adaptive averages (PAMR; Araslanov and Roth, CVPR 2020).

    Each point takes, `iterations` times, the mean of its 8 neighbours at several distances,
    weighted by ``softmax_n(-mean_c |I_p - I_n| / (slope * std_p))`` where std is that of the
    neighbours' colours.

    Parameters
    ----------
    scores : (k, H, W) float, at least 0
    picture : (3, H, W) float in 0..1
    iterations : int
        5 to 15.
    slope : float
        0.05 (sharp) to 0.3.

    Returns
    -------
    (k, H, W) float
    """
    near = _neighbours(picture)  # (M, 3, H, W)
    spread = near.std(0, keepdim=True)  # (1, 3, H, W)
    apart = (near - picture[None]).abs() / (slope * spread + 1e-8)
    weights = (-apart.mean(1)).softmax(0)  # (M, H, W)
    for _ in range(iterations):
        scores = torch.stack([(weights * _neighbours(s[None])[:, 0]).sum(0) for s in scores])
    return scores


def _neighbours(maps: Tensor) -> Tensor:
    """The 8 neighbours at each dilation, (8 * dilations, C, H, W); edges are repeated."""
    height, width = maps.shape[-2:]
    most = max(DILATIONS)
    wide = F.pad(maps[None], (most, most, most, most), mode="replicate")[0]
    shifted = []
    for step in DILATIONS:
        for down in (-step, 0, step):
            for across in (-step, 0, step):
                if down or across:
                    top, left = most + down, most + across
                    shifted.append(wide[:, top : top + height, left : left + width])
    return torch.stack(shifted)
