"""The Adaptive Concept Generator: learnable prototypes become the concepts of one image.

Every step lets the concepts look at the pixels (cross-attention), at each other (self-attention)
and then transforms each (feed-forward), always adding to what the concepts were (ACSeg, CVPR 2023).
What the paper leaves open, and what was measured to settle it, is in docs/generator.md.
"""

from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn, randn
from torch.nn import functional as F


class AdaptiveConceptGenerator(nn.Module):
    """Turn the prototypes into concepts for each image, by attention on its pixels.

    Parameters
    ----------
    dim
        D, the length of a pixel representation.
    concepts
        k, how many prototypes there are and so the most concepts an image can have: 3 to 8. The
        paper has 5; 2 falls back to foreground and background, from 7 on it over-clusters.
    steps
        Updates one after the other, each with weights of its own: 3 to 8, 6 in the paper.
    heads
        Attention heads; must divide `dim`. Default: one for every 64 dimensions, at least 1.
    width
        Hidden units of the feed-forward part per dimension: 1 to 4.

    Raises
    ------
    ValueError
        Where a count is below 1, or heads does not divide dim.
    """

    def __init__(
        self,
        dim: int,
        *,
        concepts: int = 5,
        steps: int = 6,
        heads: int | None = None,
        width: int = 4,
    ) -> None:
        super().__init__()
        heads = default_heads(dim) if heads is None else heads
        counts = {"dim": dim, "concepts": concepts, "steps": steps, "heads": heads, "width": width}
        for name, count in counts.items():
            if count < 1:
                raise ValueError(f"{name} must be at least 1, found {count}")
        if dim % heads:
            raise ValueError(f"heads must divide dim, found {heads} heads for {dim} dimensions")
        self.settings = counts
        self.prototypes = nn.Parameter(randn(concepts, dim))
        self.steps = nn.ModuleList(Step(dim, heads, width) for _ in range(steps))
        self._rounded: tuple[object, list[nn.Module]] | None = None  # no part of the state

    def forward(self, pixels: Tensor) -> Tensor:
        """Generate the concepts of each image.

        Under `torch.autocast` the matrix products are taken in its type; norms, softmax and the
        sum that becomes the concepts stay as they are.

        Parameters
        ----------
        pixels
            (B, N, D), floating point, of any scale: each is centred and scaled before use.

        Returns
        -------
        Tensor
            (B, k, D) in the space of the pixels, to be compared with them by cosine.

        Raises
        ------
        ValueError
            Where the pixels are not (B, N, D) with the D of this generator.
        """
        dim = self.prototypes.shape[1]
        if pixels.ndim != 3 or pixels.shape[1] == 0 or pixels.shape[2] != dim:
            raise ValueError(
                f"pixels must be (B, N, {dim}) for this generator, found {tuple(pixels.shape)}"
            )
        x = F.layer_norm(pixels, (dim,)).to(product_type(self.prototypes))  # (B, N, D), read often
        c = self.prototypes.expand(x.shape[0], -1, -1)  # (B, k, D)
        for step in self._steps_in(x.dtype):
            c = step(c, x)
        return c

    def _steps_in(self, dtype: torch.dtype) -> Iterable[nn.Module]:
        """Give the steps; those of frozen weights with matrices that were rounded once, and kept.

        Autocast would round all matrices again for every batch, which takes longer than their
        products with the concepts of one image do.
        """
        weights = list(self.steps.parameters())
        if dtype == weights[0].dtype or any(w.requires_grad or w.is_inference() for w in weights):
            return self.steps
        state = (dtype, [(w.data_ptr(), w._version) for w in weights])
        kept = self._rounded  # of any thread
        if kept is None or kept[0] != state:
            kept = self._rounded = (state, [rounded(step, dtype) for step in self.steps])
        return kept[1]


class Step(nn.Module):
    """One update of the concepts: look at the pixels, look at each other, transform; pre-norm."""

    def __init__(self, dim: int, heads: int, width: int) -> None:
        super().__init__()
        self.look_norm = nn.LayerNorm(dim)
        self.look = PixelAttention(dim, heads)
        self.exchange_norm = nn.LayerNorm(dim)
        self.exchange = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.transform = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, width * dim),
            nn.GELU(),
            nn.Linear(width * dim, dim),
        )

    def forward(self, c: Tensor, x: Tensor) -> Tensor:
        """Update concepts c (B, k, D) from pixels x (B, N, D)."""
        c = c + self.look(self.look_norm(c), x)
        s = self.exchange_norm(c)
        c = c + attend_each_other(s, self.exchange)
        return c + self.transform(c)


class PixelAttention(nn.Module):
    """Multi-head attention of few queries on many pixels, without projecting the pixels.

    Per head, with q = Q(c) and softmax over the pixels::

        softmax((q . K x + q . b) / sqrt(d_head)) (V x)  =  V (softmax((K' q) . x / sqrt(d_head)) x)

    The key bias b adds the same to all pixels of a row and falls out of the softmax, so there is
    none. K' q costs k projections instead of N, V acts on the k attended means: for N >> k the two
    big matrix products of ordinary attention are gone, and the result is the same.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        for layer in (self.query, self.key, self.value, self.out):
            nn.init.eye_(layer.weight)  # at the start a concept gathers the pixels like itself
        for layer in (self.query, self.value, self.out):
            nn.init.zeros_(layer.bias)

    def forward(self, c: Tensor, x: Tensor) -> Tensor:
        """Gather from pixels x (B, N, D) for concepts c (B, k, D); gives (B, k, D)."""
        b, k, dim = c.shape
        h, d = self.heads, dim // self.heads
        key = self.key.weight.view(h, d, dim)
        value = self.value.weight.view(h, d, dim)
        q = self.query(c).view(b * k, h, d).transpose(0, 1) * d**-0.5  # (h, B*k, d)
        folded = (q @ key).view(h, b, k, dim).transpose(0, 1).flatten(1, 2)  # (B, h*k, D)
        attention = (folded @ x.mT).softmax(dim=-1)  # (B, h*k, N)
        means = (attention.to(x.dtype) @ x).view(b, h, k, dim)
        means = means.transpose(0, 1).reshape(h, b * k, dim)
        gathered = (means @ value.mT).transpose(0, 1).reshape(b, k, dim)
        return self.out(gathered + self.value.bias)


def attend_each_other(c: Tensor, layer: nn.MultiheadAttention) -> Tensor:
    """Let the concepts c (B, k, D) of an image attend to each other, with the weights of a layer.

    It is what the layer computes; for so few concepts a call of it takes longer than its products.
    """
    b, k, dim = c.shape
    h, d = layer.num_heads, dim // layer.num_heads
    projected = F.linear(c, layer.in_proj_weight, layer.in_proj_bias).view(b, k, 3, h, d)
    query, key, value = projected.permute(2, 0, 3, 1, 4)  # (B, h, k, d) each
    attention = (query @ key.mT * d**-0.5).softmax(dim=-1)  # (B, h, k, k)
    gathered = (attention @ value).transpose(1, 2).reshape(b, k, dim)
    return layer.out_proj(gathered)


@torch.inference_mode(False)  # pixels may take a gradient later
def rounded(step: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Copy a step with the matrices of its products in a type; norms and biases stay."""
    step = deepcopy(step)
    for weight in step.parameters():
        if weight.ndim == 2:
            weight.data = weight.data.to(dtype)
    return step


def product_type(weight: Tensor) -> torch.dtype:
    """Give the type that matrix products with this weight are taken in."""
    device = weight.device.type
    if torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return weight.dtype


def default_heads(dim: int) -> int:
    """Give one head for every 64 dimensions, or the next fewer that divide dim."""
    heads = max(1, dim // 64)
    while dim % heads:
        heads -= 1
    return heads
