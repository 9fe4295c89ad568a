"""The concept tree: how the parts of one picture merge, cut anywhere without computing again.

Average linkage: the two parts of the highest mean cosine merge, again and again. The mean cosine
of the merged part with another is the mean over all pairs of tokens,

    h(a + b, c) = (n_a h(a, c) + n_b h(b, c)) / (n_a + n_b),

which lies between the two, so the heights of the merges only ever fall. A cut at height t undoes
all merges below t: cuts are nested, and cutting at the picture's threshold gives its default.

Leaves can be nested in a division that is to be the default cut (`exact.divide`): then each of its
parts is put together first, and only then they merge. No two parts of an exact optimum have a mean
cosine above the threshold, so this is the same tree but for the few tokens that moved; heights on
the wrong side of the threshold are set to it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class ConceptTree:
    """How n leaves merge into one part.

    Attributes
    ----------
    merges
        The n - 1 pairs that merge, in order. 0..n - 1 are leaves, n + i is what merge i made.
    heights
        Mean cosine of the two parts of each merge; never rises.
    sizes
        Tokens of each leaf.
    threshold
        Height of the default cut.
    """

    merges: tuple[tuple[int, int], ...]
    heights: tuple[float, ...]
    sizes: tuple[int, ...]
    threshold: float

    def __post_init__(self) -> None:
        n = len(self.sizes)
        if n == 0 or len(self.merges) != n - 1 or len(self.heights) != n - 1:
            raise ValueError(
                f"{n} leaves need {n - 1} merges and heights, "
                f"found {len(self.merges)} and {len(self.heights)}"
            )
        if sorted(i for pair in self.merges for i in pair) != list(range(2 * n - 2)) or any(
            max(pair) >= n + i for i, pair in enumerate(self.merges)
        ):
            raise ValueError("merges must use each leaf and each merge once, after it was made")
        if any(b > a for a, b in zip(self.heights, self.heights[1:])):
            raise ValueError("heights must not rise")

    def height(self, granularity: float = 0.5) -> float:
        """Turn a granularity into the height of its cut.

        Linear from the last merge (0) over the threshold (0.5) to the first merge (1).

        Raises
        ------
        ValueError
            Where granularity is not in 0..1.
        """
        if not 0 <= granularity <= 1:
            raise ValueError(f"granularity must be in 0..1, found {granularity}")
        low = min(self.heights[-1:] + (self.threshold,))
        high = max(self.heights[:1] + (self.threshold,))
        end = low if granularity < 0.5 else high
        return self.threshold + abs(2 * granularity - 1) * (end - self.threshold)

    def cut(self, granularity: float = 0.5) -> Tensor:
        """Cut the tree: 0 gives one part, 0.5 the picture's own threshold, 1 all leaves.

        Finer cuts are nested in coarser ones.

        Returns
        -------
        Tensor
            (n,) int64, part of each leaf, numbered 0, 1, ... in the order of the first leaf.
        """
        height = self.height(granularity)
        keep_all = granularity == 0
        kept = 0 if granularity == 1 else sum(keep_all or h >= height for h in self.heights)
        return self.at_parts(len(self.sizes) - kept)

    def at_parts(self, parts: int) -> Tensor:
        """Cut the tree into a number of parts, 1..n; gives (n,) like `cut`."""
        n = len(self.sizes)
        if not 1 <= parts <= n:
            raise ValueError(f"parts must be in 1..{n}, found {parts}")
        groups = {i: [i] for i in range(n)}
        for i, (a, b) in enumerate(self.merges[: n - parts]):
            groups[n + i] = groups.pop(a) + groups.pop(b)
        labels = torch.empty(n, dtype=torch.int64)
        for number, group in enumerate(sorted(groups.values(), key=min)):
            labels[group] = number
        return labels

    def to_dict(self) -> dict[str, Any]:
        """Give plain lists and numbers, for JSON."""
        return {
            "merges": [list(pair) for pair in self.merges],
            "heights": list(self.heights),
            "sizes": list(self.sizes),
            "threshold": self.threshold,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "ConceptTree":
        """Read what `to_dict` gave."""
        return cls(
            merges=tuple((int(a), int(b)) for a, b in fields["merges"]),
            heights=tuple(float(h) for h in fields["heights"]),
            sizes=tuple(int(n) for n in fields["sizes"]),
            threshold=float(fields["threshold"]),
        )


def grow_tree(
    tokens: Tensor, labels: Tensor, threshold: float | Tensor, *, parts: Tensor | None = None
) -> ConceptTree:
    """Grow the tree of one picture from its finest parts.

    Parameters
    ----------
    tokens
        (N, D), floating point, of any scale.
    labels
        (N,), leaf of each token: 0..n - 1, none of them empty.
    threshold
        Height of the default cut.
    parts
        (N,), a division that the leaves are nested in and that the default cut is to give.
        Default: the mean cosines alone decide.

    Raises
    ------
    ValueError
        Where labels do not fit the tokens, a leaf is empty or in two parts.
    """
    if labels.shape != tokens.shape[:1] or len(labels) == 0:
        raise ValueError(
            f"labels must be ({len(tokens)},) like the tokens, found {tuple(labels.shape)}"
        )
    x = F.normalize(tokens.detach().to(torch.float64), dim=-1)
    member = F.one_hot(labels.to(torch.int64)).to(x.dtype)  # (N, n)
    sums, sizes = member.mT @ x, member.sum(0)  # (n, D), (n,)
    if bool((sizes == 0).any()):
        raise ValueError("labels must number the leaves 0, 1, ... without a gap")
    t = float(threshold)
    part = torch.zeros(len(sizes), dtype=torch.int64)
    if parts is not None:
        part[labels.cpu()] = parts.cpu().to(torch.int64)  # (n,)
        if not torch.equal(part[labels.cpu()], parts.cpu()):
            raise ValueError("labels must be nested in parts, found a leaf in two of them")
    merges, heights, joins = link((sums @ sums.mT).cpu(), sizes.cpu(), part)
    if parts is not None:
        below = math.nextafter(t, -math.inf)
        heights = [min(h, below) if join else max(h, t) for h, join in zip(heights, joins)]
    return ConceptTree(tuple(merges), tuple(heights), tuple(int(n) for n in sizes), t)


def link(
    total: Tensor, sizes: Tensor, part: Tensor
) -> tuple[list[tuple[int, int]], list[float], list[bool]]:
    """Merge leaves by average linkage, those of one part (n,) first; ties go to the lowest.

    total (n, n) sums of cosines, sizes (n,). Gives pairs, heights and whether two parts merged.
    """
    n = len(sizes)
    names, total, sizes = list(range(n)), total.clone(), sizes.clone()
    apart = (part[:, None] != part) * 4.0  # more than any difference of cosines
    merges: list[tuple[int, int]] = []
    heights: list[float] = []
    joins: list[bool] = []
    for step in range(n - 1):
        mean = total / (sizes[:, None] * sizes)
        a, b = sorted(divmod(int((mean - apart).fill_diagonal_(-torch.inf).argmax()), n))
        merges.append((min(names[a], names[b]), max(names[a], names[b])))
        joins.append(bool(apart[a, b] > 0))
        new = not joins[:-1] or joins[-1] != joins[-2]
        heights.append(float(mean[a, b]) if new else min(float(mean[a, b]), heights[-1]))
        total[a] += total[b]
        total[:, a] += total[:, b]
        total[b] = total[:, b] = -torch.inf
        sizes[a] += sizes[b]
        names[a] = n + step
    return merges, heights, joins
