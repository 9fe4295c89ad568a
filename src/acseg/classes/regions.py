"""The regions of a picture: leaves of its tree put together, with what tells them apart."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from acseg.classes.foreground import split_foreground
from acseg.concepts.tree import ConceptTree

MOST_LEAVES = 48  # of a picture, in the table of a collection


@dataclass(frozen=True)
class Regions:
    """The R regions of a picture.

    Attributes
    ----------
    part : Tensor
        (n,) region of each leaf.
    descriptors : Tensor
        (R, D), each of length 1.
    size, attention, border : Tensor
        (R,) tokens, sum of their attention, and how many of them lie on the picture's rim.
    """

    part: Tensor
    descriptors: Tensor
    size: Tensor
    attention: Tensor
    border: Tensor

    def foreground(self, reduce: str) -> Tensor | None:
        """Say which regions are foreground, (R,) bool; None where `reduce` is "none"."""
        if reduce == "none":
            return None
        return split_foreground(self.attention if reduce == "sum" else self.attention / self.size)


@dataclass(frozen=True)
class Leaves:
    """The n leaves of a picture, from which its regions at any granularity follow.

    Attributes
    ----------
    tree : ConceptTree
    means : Tensor
        (n, D) mean of each leaf's tokens, these of length 1.
    attention, border : Tensor
        (n,) as in `Regions`.
    """

    tree: ConceptTree
    means: Tensor
    attention: Tensor
    border: Tensor

    def regions(self, granularity: float) -> Regions:
        """Put the leaves together at a granularity, 0..1."""
        part = self.tree.cut(granularity)  # (n,)
        member = F.one_hot(part).to(self.means)  # (n, R)
        sizes = torch.tensor(self.tree.sizes).to(self.means)  # (n,)
        descriptors = F.normalize(member.mT @ (self.means * sizes[:, None]), dim=1)  # (R, D)
        facts = torch.stack([sizes, self.attention.to(sizes), self.border.to(sizes)])
        size, attention, border = facts @ member  # (R,) each
        return Regions(part, descriptors, size, attention, border)


def flat_leaves(regions: Regions) -> Leaves:
    """Make each region a leaf of its own, for descriptors that belong to one granularity."""
    n = len(regions.size)
    merges = tuple((0, 1) if i == 0 else (i + 1, n + i - 1) for i in range(n - 1))
    sizes = tuple(int(s) for s in regions.size)
    tree = ConceptTree(merges, (-1.0,) * (n - 1), sizes, 0.0)
    return Leaves(tree, regions.descriptors, regions.attention, regions.border)


def pack_leaves(leaves: Leaves) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """Write the leaves of a picture as two arrays of fixed shape.

    Of more than `MOST_LEAVES` leaves those that merge first are put together.

    Returns
    -------
    means, facts : (L, D) float16, (L, 7) float32
        L is `MOST_LEAVES`. Facts are size, attention, border, the two numbers and the height of a
        merge, and the threshold; a size of 0 is no leaf.
    """
    n = len(leaves.tree.sizes)
    if n > MOST_LEAVES:
        leaves = _fewer(leaves)
        n = MOST_LEAVES
    means = np.zeros((MOST_LEAVES, leaves.means.shape[1]), np.float16)
    facts = np.zeros((MOST_LEAVES, 7), np.float32)
    means[:n] = leaves.means.cpu().numpy()
    facts[:n, 0] = leaves.tree.sizes
    facts[:n, 1], facts[:n, 2] = leaves.attention.cpu(), leaves.border.cpu()
    facts[: n - 1, 3:5] = np.reshape(leaves.tree.merges, (n - 1, 2))
    facts[: n - 1, 5] = leaves.tree.heights
    facts[:, 6] = threshold = np.float32(leaves.tree.threshold)
    later = np.array(leaves.tree.heights) < leaves.tree.threshold  # stays so where it was rounded
    below = np.nextafter(threshold, np.float32(-np.inf))
    facts[: n - 1, 5][later] = np.minimum(facts[: n - 1, 5], below)[later]
    return means, facts


def unpack_leaves(means: NDArray[np.float16], facts: NDArray[np.float32]) -> Leaves:
    """Read what `pack_leaves` wrote; numbers of float16 precision."""
    n = int((facts[:, 0] > 0).sum())
    merges = tuple((int(a), int(b)) for a, b in facts[: n - 1, 3:5])
    heights = tuple(float(h) for h in facts[: n - 1, 5])
    sizes = tuple(int(s) for s in facts[:n, 0])
    tree = ConceptTree(merges, heights, sizes, float(facts[0, 6]))
    return Leaves(
        tree,
        torch.from_numpy(means[:n].astype(np.float32)),
        torch.from_numpy(facts[:n, 1].copy()),
        torch.from_numpy(facts[:n, 2].copy()),
    )


def _fewer(leaves: Leaves) -> Leaves:
    """Undo the first merges, so that `MOST_LEAVES` leaves remain."""
    tree = leaves.tree
    n, gone = len(tree.sizes), len(tree.sizes) - MOST_LEAVES
    part = tree.at_parts(MOST_LEAVES)  # (n,)
    member = F.one_hot(part).to(leaves.means)  # (n, L)
    sizes = torch.tensor(tree.sizes).to(leaves.means)
    size = sizes @ member
    made = {i: int(part[i]) for i in range(n)}  # number of a node -> its new number
    for i, (a, _) in enumerate(tree.merges):
        made[n + i] = made[a] if i < gone else MOST_LEAVES + i - gone
    merges = tuple((made[a], made[b]) for a, b in tree.merges[gone:])
    new = ConceptTree(
        tuple((min(pair), max(pair)) for pair in merges),
        tree.heights[gone:],
        tuple(int(s) for s in size),
        tree.threshold,
    )
    means = member.mT @ (leaves.means * sizes[:, None]) / size[:, None]
    return Leaves(new, means, leaves.attention @ member, leaves.border @ member)
