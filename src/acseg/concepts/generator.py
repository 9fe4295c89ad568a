"""The Adaptive Concept Generator: learnable prototypes become the concepts of one image.

Every step lets the concepts attend to the tokens (cross-attention), to each other (self-attention)
and then transforms each (feed-forward), always adding to what the concepts were (ACSeg, CVPR 2023).
What the paper leaves open, and what was measured to settle it, is in docs/research/generator.md.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class AdaptiveConceptGenerator(nn.Module):
    """Turn the prototypes into concepts for each image, by attention on its tokens.

    Parameters
    ----------
    dim
        D, the length of a token.
    concepts
        k, how many prototypes there are and so the most concepts an image can have. The paper has
        5; 8 to 16 where the concepts are merged along a tree afterwards.
    steps
        Updates one after the other: 3 to 8, 6 in the paper.
    heads
        Attention heads; must divide `dim`. Default: one for every 64 dimensions, at least 1.
    width
        Hidden units of the feed-forward part per dimension: 1 to 4.
    shared
        Whether all steps have the same weights (a sixth of the parameters) or, as in the paper
        and by default, weights of their own.
    inner
        Work in so many dimensions: tokens are projected there, and concepts back. Default: D.

    Raises
    ------
    ValueError
        Where a count is below 1, or heads does not divide dim.

    Examples
    --------
    >>> generator = AdaptiveConceptGenerator(64, concepts=5)
    >>> generator(torch.randn(2, 768, 64)).shape
    torch.Size([2, 5, 64])
    """

    def __init__(
        self,
        dim: int,
        *,
        concepts: int = 5,
        steps: int = 6,
        heads: int | None = None,
        width: int = 4,
        shared: bool = False,
        inner: int | None = None,
    ) -> None:
        super().__init__()
        self.dim = dim
        if inner is not None:
            self.project = nn.Parameter(nn.init.orthogonal_(torch.empty(dim, inner)))
            dim = inner
        heads = default_heads(dim) if heads is None else heads
        counts = {"dim": dim, "concepts": concepts, "steps": steps, "heads": heads, "width": width}
        for name, count in counts.items():
            if count < 1:
                raise ValueError(f"{name} must be at least 1, found {count}")
        if dim % heads:
            raise ValueError(f"heads must divide dim, found {heads} heads for {dim} dimensions")
        self.rounds = steps if shared else 1
        self.prototypes = nn.Parameter(torch.randn(concepts, dim))
        self.steps = nn.ModuleList(Step(dim, heads, width) for _ in range(1 if shared else steps))

    def forward(self, tokens: Tensor) -> Tensor:
        """Generate the concepts of each image.

        Under `torch.autocast` the matrix products are taken in its type; norms, softmax and the
        sum that becomes the concepts stay as they are.

        Parameters
        ----------
        tokens
            (B, N, D), floating point, of any scale: each is centred and scaled before use.

        Returns
        -------
        Tensor
            (B, k, D) in the space of the tokens, to be compared with them by cosine.

        Raises
        ------
        ValueError
            Where the tokens are not (B, N, D) with the D of this generator.
        """
        if tokens.ndim != 3 or tokens.shape[1] == 0 or tokens.shape[2] != self.dim:
            raise ValueError(
                f"tokens must be (B, N, {self.dim}) for this generator, found {tuple(tokens.shape)}"
            )
        projected = hasattr(self, "project")
        x = tokens @ self.project if projected else tokens
        x = F.layer_norm(x, x.shape[2:])  # (B, N, D)
        c = self.prototypes.expand(x.shape[0], -1, -1)  # (B, k, D)
        for step in self.updates():
            c = step(c, x)
        return c @ self.project.mT if projected else c

    def updates(self) -> Iterator[nn.Module]:
        """Give the steps in their order, a shared one as often as it is taken."""
        for _ in range(self.rounds):
            yield from self.steps


class Step(nn.Module):
    """One update of the concepts: tokens, each other, feed-forward; norms come first."""

    def __init__(self, dim: int, heads: int, width: int) -> None:
        super().__init__()
        self.cross_norm, self.cross = nn.LayerNorm(dim), Attention(dim, heads)
        self.self_norm, self.self_attention = nn.LayerNorm(dim), Attention(dim, heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, width * dim),
            nn.GELU(),
            nn.Linear(width * dim, dim),
        )

    def forward(self, c: Tensor, x: Tensor) -> Tensor:
        """Update concepts c (B, k, D) from tokens x (B, N, D)."""
        c = c + self.cross(self.cross_norm(c), x)
        s = self.self_norm(c)
        c = c + self.self_attention(s, s)
        return c + self.feed_forward(c)


class Attention(nn.Module):
    """Multi-head attention of few queries on many tokens, without projecting the tokens.

    Per head, with q = Q(c) and softmax over the tokens::

        softmax((q . K x + q . b) / sqrt(d_head)) (V x)  =  V (softmax((K' q) . x / sqrt(d_head)) x)

    The key bias b adds the same to all tokens of a row and falls out of the softmax, so there is
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
            nn.init.eye_(layer.weight)  # at the start a concept gathers the tokens like itself
        for layer in (self.query, self.value, self.out):
            nn.init.zeros_(layer.bias)

    def forward(self, c: Tensor, x: Tensor) -> Tensor:
        """Gather from tokens x (B, N, D) for concepts c (B, k, D); gives (B, k, D)."""
        heads = (self.heads, -1)
        key = self.key.weight.unflatten(0, heads)  # (h, d, D)
        value = self.value.weight.unflatten(0, heads)  # (h, d, D)
        q = self.query(c).unflatten(2, heads) * key.shape[1] ** -0.5  # (B, k, h, d)
        folded = torch.einsum("bkhd,hde->bhke", q, key).flatten(1, 2)  # (B, h*k, D)
        attention = (folded @ x.to(folded.dtype).mT).softmax(dim=-1)  # (B, h*k, N)
        means = (attention.to(folded.dtype) @ x.to(folded.dtype)).unflatten(1, heads)
        gathered = torch.einsum("bhke,hde->bkhd", means, value).flatten(2)  # (B, k, D)
        return self.out(gathered + self.value.bias)


def generator_like(weights: Mapping[str, Tensor]) -> AdaptiveConceptGenerator:
    """Build the generator that weights belong to, and load them; it is frozen.

    Parameters
    ----------
    weights
        Its state. Heads are the default ones, and a single step stands for six that share it.

    Raises
    ------
    ValueError
        Where there are no prototypes (k, D), or the weights are those of another network.
    """
    prototypes, project = weights.get("prototypes"), weights.get("project")
    hidden = weights.get("steps.0.feed_forward.1.weight")
    if prototypes is None or any(
        w.ndim != 2 for w in (prototypes, project, hidden) if w is not None
    ):
        raise ValueError("expected prototypes (k, D), and tables of two dimensions beside them")
    distinct = len({name.split(".")[1] for name in weights if name.startswith("steps.")})
    k, inner = prototypes.shape
    with torch.device("meta"):  # takes no memory, however large a stranger's weights claim to be
        generator = AdaptiveConceptGenerator(
            inner if project is None else project.shape[0],
            concepts=k,
            steps=6 if distinct == 1 else max(1, distinct),
            width=4 if hidden is None else max(1, hidden.shape[0] // max(1, inner)),
            shared=distinct == 1,
            inner=None if project is None else inner,
        )
    own = {name: weight.float().clone() for name, weight in weights.items()}
    try:
        generator.load_state_dict(own, assign=True)
    except RuntimeError as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error
    return generator.eval().requires_grad_(False)


def default_heads(dim: int) -> int:
    """Give one head for every 64 dimensions, or the next fewer that divide dim."""
    heads = max(1, dim // 64)
    while dim % heads:
        heads -= 1
    return heads
