"""The modularity of the token graph: the loss that trains the concept generator (ACSeg, CVPR 2023).

For the N tokens of one image and its k concepts::

    A_ij     = max(0, cos(x_i, x_j))           affinity
    d_i      = sum_j A_ij,  2m = sum_i d_i     degree, total weight
    W_ij     = A_ij - d_i d_j / 2m             modularity matrix
    S_ic     = cos(x_i, c_c),  S+ = max(0, S)  soft assignment
    delta_ij = max_c S+_ic S+_jc               intensity of "i and j share a concept"
    L        = -(1/2m) sum_ij W_ij delta_ij

`modularity_loss_dense` is this, line by line. `modularity_loss` gives the same value and gradient
without any N x N x k tensor; how is in `modularity_tiles.py`.

The degrees d_i d_j / 2m are the null model: what two tokens would share by chance. The constant
null model (Reichardt and Bornholdt 2006, Potts) puts a threshold t of each image in its place,
W_ij = A_ij - t. On real features it divides better; see docs/research/division.md.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from acseg.concepts.checks import check_tokens_and_concepts
from acseg.concepts.modularity_tiles import first_of_equals, tiled_loss

PRECISIONS = ("float32", "bfloat16")


def modularity_loss_dense(
    tokens: Tensor,
    concepts: Tensor,
    *,
    self_affinity: bool = True,
    threshold: Tensor | None = None,
) -> Tensor:
    """Compute the loss as the paper writes it; for reading, tests and small pictures.

    Parameters and result as in `modularity_loss`. Memory grows with N * N * k.
    """
    x, c = F.normalize(tokens.detach(), dim=-1), F.normalize(concepts, dim=-1)
    A = (x @ x.mT).clamp(min=0)  # (B, N, N)
    if not self_affinity:
        A = A * (1 - torch.eye(A.shape[1], dtype=A.dtype, device=A.device))
    d = A.sum(dim=2)  # (B, N)
    m2 = d.sum(dim=1)[:, None, None]  # (B, 1, 1) 2m
    m2 = torch.where(m2 > 0, m2, 1)
    null = d[:, :, None] * d[:, None, :] / m2 if threshold is None else threshold[:, None, None]
    W = A - null  # (B, N, N)
    S = first_of_equals(c, c @ x.mT).clamp(min=0).mT  # (B, N, k)
    delta = (S[:, :, None, :] * S[:, None, :, :]).amax(dim=3)  # (B, N, N)
    return -(W * delta / m2).sum(dim=(1, 2)).mean()


def modularity_loss(
    tokens: Tensor,
    concepts: Tensor,
    *,
    self_affinity: bool = True,
    threshold: Tensor | None = None,
    precision: str = "float32",
) -> Tensor:
    """Score how badly the concepts split each image's token graph: its negative modularity.

    Neither input needs to be normalised. The tokens are taken as frozen: no gradient reaches them.

    Parameters
    ----------
    tokens
        (B, N, D), floating point. Types narrower than float32 are computed in float32.
    concepts
        (B, k, D), floating point.
    self_affinity
        Keep A_ii = 1 (default), as the paper's formula has it. False sets the diagonal to zero,
        as later work does.
    threshold
        (B,) cosines: the constant null model, such as `picture_threshold` gives. None (default) is
        the paper's null model of degrees.
    precision
        Of the affinities. "float32" (default) is exact. "bfloat16" allows them to be rounded where
        the device multiplies bfloat16 in hardware: the gradient is then off by at most 1e-2 of its
        norm while the mean cosine of an image's tokens is below 0.98.

    Returns
    -------
    Tensor
        Scalar, the mean over the batch, float32 or float64. An image without any affinity counts
        as 0. In -1..1 with the null model of degrees.

    Raises
    ------
    ValueError
        Where shapes do not fit together, an input is not floating point, or precision is unknown.

    Examples
    --------
    >>> tokens = torch.eye(2).repeat_interleave(6, dim=0)[None]  # two cliques of six
    >>> round(modularity_loss(tokens, torch.eye(2)[None]).item(), 3)
    -0.5

    References
    ----------
    Li et al., ACSeg: Adaptive Conceptualization for Unsupervised Semantic Segmentation, CVPR 2023.
    """
    check_tokens_and_concepts(tokens, concepts)
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be float32 or bfloat16, found {precision!r}")
    if threshold is not None and threshold.shape != tokens.shape[:1]:
        raise ValueError(
            f"threshold must be (B,) = ({len(tokens)},), found {tuple(threshold.shape)}"
        )
    return tiled_loss(
        tokens,
        concepts,
        self_affinity=self_affinity,
        threshold=threshold,
        bfloat16=precision == "bfloat16",
    )
