"""What a backbone gives for a batch of images."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Features:
    """Hold the tokens of a batch of images and how strongly the ViT attends to each.

    Attributes
    ----------
    tokens : torch.Tensor
        (B, N, D) float32, one a patch, row by row over the grid, N = h * w. Of one block: not
        normalised; of several: each block's share of D has unit length. CLS and registers are not
        among them.
    grid : tuple of int
        (h, w) of the feature grid.
    attention : torch.Tensor
        (B, N) float32, at least 0: the attention of the CLS token to each patch in the last
        block, averaged over the heads. Sums to at most 1 over N; what is missing went to CLS and
        registers.
    """

    tokens: torch.Tensor  # (B, N, D)
    grid: tuple[int, int]
    attention: torch.Tensor  # (B, N)

    def finite(self) -> torch.Tensor:
        """Tell of which images all numbers are finite: (B,) bool."""
        return (self.tokens.isfinite().all(2) & self.attention.isfinite()).all(1)

    def filled(self) -> "Features":
        """Replace numbers that are not finite by 0, so that the other images can be computed."""
        return Features(
            self.tokens.nan_to_num(0, 0, 0), self.grid, self.attention.nan_to_num(0, 0, 0)
        )
