"""What a backbone gives for a batch of images."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Features:
    """Hold the pixels of a batch of images and how strongly the ViT looks at each.

    Attributes
    ----------
    pixels : torch.Tensor
        (B, N, D) float32, row by row over the grid, N = h * w; not normalised. CLS and register
        tokens are not among them.
    grid : tuple of int
        (h, w) of the feature grid.
    attention : torch.Tensor
        (B, N) float32, at least 0: the attention of the CLS token to each pixel in the last
        block, averaged over the heads. Sums to at most 1 over N; what is missing went to CLS and
        registers.
    """

    pixels: torch.Tensor  # (B, N, D)
    grid: tuple[int, int]
    attention: torch.Tensor  # (B, N)

    def finite(self) -> torch.Tensor:
        """Say of which images all numbers are finite: (B,) bool."""
        return (self.pixels.isfinite().all(2) & self.attention.isfinite()).all(1)

    def filled(self) -> "Features":
        """Put 0 in the place of numbers that are not finite, so that others can be computed."""
        return Features(
            self.pixels.nan_to_num(0, 0, 0), self.grid, self.attention.nan_to_num(0, 0, 0)
        )
