"""One picture from tokens to its division: leaves, their concepts and the tree above them.

Two ways to the leaves. `divide_picture` needs no training: the exact optimum at the picture's
threshold is the default cut, and its parts are divided further into leaves. `divide_by_concepts`
takes the concepts that a trained generator found: each is a leaf, and the tree decides alone.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from acseg.concepts.crumbs import join_crumbs
from acseg.concepts.exact import climb, compact, merge_parts
from acseg.concepts.threshold import cosine_threshold, evenly, picture_threshold
from acseg.concepts.tree import ConceptTree, grow_tree

LEAST = 6  # tokens of a part; of a leaf half as many
FINER = 0.3  # how far from the picture's threshold towards 1 leaves are told apart
MOST = 24  # leaves, where the default cut has not more parts itself


@dataclass(frozen=True)
class Division:
    """One picture in parts, at any granularity.

    Attributes
    ----------
    leaves
        (N,) int64, finest part of each token, 0..n - 1.
    concepts
        (n, D), mean of each leaf's tokens, these of unit length: times the leaf's size it is
        their sum, so means of merged leaves need no tokens.
    tree
        How the leaves merge.
    """

    leaves: Tensor
    concepts: Tensor
    tree: ConceptTree

    def labels(self, granularity: float = 0.5) -> Tensor:
        """Give the part of each token at a granularity; (N,) int64 from 0."""
        return self.tree.cut(granularity).to(self.leaves.device)[self.leaves]

    def means(self, granularity: float = 0.5) -> Tensor:
        """Give the direction of each part at a granularity; (k, D), rows of unit length."""
        member = F.one_hot(self.tree.cut(granularity)).to(self.concepts)  # (n, k)
        sizes = torch.tensor(self.tree.sizes).to(self.concepts)
        return F.normalize(member.mT @ (self.concepts * sizes[:, None]), dim=-1)


def divide_picture(
    tokens: Tensor,
    *,
    grid: tuple[int, int] | None = None,
    threshold: float | None = None,
    least: int = LEAST,
    finer: float = FINER,
    most: int = MOST,
) -> Division:
    """Divide one picture exactly.

    Parameters
    ----------
    tokens
        (N, D), floating point, of any scale; several blocks may be joined.
    grid
        Rows and columns of the tokens, so that crumbs join what they touch.
    threshold
        Cosine above which two tokens belong together. Default: the picture's own.
    least
        Tokens that a part must have to stay.
    finer
        Where the leaves' threshold lies between that of the parts (0) and 1.
    most
        Leaves at most; the default cut keeps all its parts even so.

    Raises
    ------
    ValueError
        Where tokens or grid do not fit.
    """
    if tokens.ndim != 2 or tokens.shape[0] == 0 or not tokens.is_floating_point():
        raise ValueError(
            f"tokens must be (N, D), floating point, found {tuple(tokens.shape)} {tokens.dtype}"
        )
    x = F.normalize(tokens.detach().to(torch.promote_types(tokens.dtype, torch.float32)), dim=-1)
    gains = x @ x.mT  # (N, N), cosines for now
    if threshold is None:
        chosen = evenly(len(x), 1024).to(x.device)
        threshold = float(cosine_threshold(gains[None, chosen], chosen))
    above = finer * (1 - threshold)
    gains.sub_(threshold + above).fill_diagonal_(0)
    fine = merge_parts(gains, gains.new_ones(len(x)))  # (N,)
    gains.add_(above).fill_diagonal_(0)
    member = F.one_hot(fine).to(gains)  # (N, n)
    coarse = merge_parts(member.mT @ (gains @ member), member.sum(0))  # (n,), the same tree further
    parts = join_crumbs(x, climb(gains, coarse[fine]), least=least, grid=grid)  # (N,)
    leaves = compact(parts * (int(fine.max()) + 1) + fine)
    leaves = join_crumbs(x, leaves, least=max(1, least // 2), grid=grid, within=parts)
    tree = grow_tree(x, leaves, threshold, parts=parts)
    most = max(most, int(parts.max()) + 1)
    if len(tree.sizes) > most:
        leaves = compact(tree.at_parts(most).to(leaves.device)[leaves])
        tree = grow_tree(x, leaves, threshold, parts=parts)
    return Division(leaves, leaf_means(x, leaves), tree)


def divide_by_concepts(
    tokens: Tensor,
    concepts: Tensor,
    *,
    grid: tuple[int, int] | None = None,
    threshold: float | None = None,
    least: int = LEAST,
) -> Division:
    """Divide one picture by the concepts that a generator found: tokens (N, D), concepts (k, D).

    Each token goes to its nearest concept by cosine; concepts without a token disappear.

    Raises
    ------
    ValueError
        Where the shapes do not fit together.
    """
    if tokens.ndim != 2 or concepts.ndim != 2 or tokens.shape[1] != concepts.shape[1]:
        raise ValueError(
            "tokens and concepts must be (N, D) and (k, D), "
            f"found {tuple(tokens.shape)} and {tuple(concepts.shape)}"
        )
    x = F.normalize(tokens.detach().to(torch.promote_types(tokens.dtype, torch.float32)), dim=-1)
    threshold = float(picture_threshold(x[None])) if threshold is None else threshold
    nearest = (x @ F.normalize(concepts.to(x), dim=-1).mT).argmax(1)  # (N,)
    leaves = join_crumbs(x, nearest, least=least, grid=grid)
    return Division(leaves, leaf_means(x, leaves), grow_tree(x, leaves, threshold))


def leaf_means(x: Tensor, leaves: Tensor) -> Tensor:
    """Average the unit tokens x (N, D) of each leaf; (n, D)."""
    member = F.one_hot(leaves).to(x)  # (N, n)
    return (member.mT @ x) / member.sum(0)[:, None]
