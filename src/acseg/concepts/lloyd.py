"""Lloyd's rounds from the concepts of the generator: an addition to the paper, off at 0 rounds.

The generator was trained on other pictures, so its concepts need not lie in the middle of their
pixels. A round moves each concept to the mean direction of the pixels that are nearest to it::

    c <- sum_{i: a_i = c} x_i / |x_i|,    a_i = argmax_c cos(x_i, c)

which is spherical k-means (Dhillon and Modha 2001) started by the generator. No round lowers
``sum_i cos(x_i, c_{a_i})``. A concept without a pixel stays where it is, so their number still
follows the picture.
"""

import torch
from torch import Tensor
from torch.nn import functional

from acseg.concepts.assignment import check_shapes


def lloyd_rounds(pixels: Tensor, concepts: Tensor, rounds: int) -> Tensor:
    """Move each concept to the mean direction of its pixels, `rounds` times.

    No step depends on a value, so it can be exported.

    Parameters
    ----------
    pixels
        (B, N, D), floating point.
    concepts
        (B, k, D), floating point.
    rounds
        0 (the paper) to 20; most of the way is made in the first 3.

    Returns
    -------
    Tensor
        (B, k, D); of length N_c at most for a concept that moved. `concepts` itself for 0 rounds.

    Raises
    ------
    ValueError
        Where the shapes do not fit together, or `rounds` is below 0.
    """
    check_shapes(pixels, concepts)
    if rounds < 0:
        raise ValueError(f"rounds must be at least 0, found {rounds}")
    if rounds == 0:
        return concepts
    unit = functional.normalize(pixels, dim=2)
    place = torch.arange(concepts.shape[1], device=pixels.device)  # (k,)
    for _ in range(rounds):
        nearest = (unit @ functional.normalize(concepts, dim=2).mT).argmax(dim=2)  # (B, N)
        member = (nearest[:, :, None] == place).to(unit)  # (B, N, k)
        owns = member.any(dim=1)[:, :, None]  # (B, k, 1)
        concepts = torch.where(owns, member.mT @ unit, concepts.to(unit))
    return concepts
