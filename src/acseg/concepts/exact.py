"""The best division of one picture, without training: moves on the graph of its tokens.

The objective is that of `objective`, the constant null model (Potts)::

    Q(a) = sum_{i < j} [a_i = a_j] (cos(x_i, x_j) - t)

A pair above the threshold t speaks for one part, a pair below it against; nothing depends on how
many parts there are. Three moves, each of them only ever raises Q, in turn until none does:

1. Two parts become one where their mean cosine is above t. Parts that are each other's most
   similar merge at once, many pairs in a round: average linkage is reducible, so this is the
   average-linkage tree cut at t, found without its N - 1 steps.
2. A token goes to the part that it gains most in, or alone. The tokens that gain are moved
   together, only the better half of them where together they lose, and so on down to one.

All rounds are products with the N x N matrix of one picture; ties go to the lowest number, so the
result is always the same.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

TOLERANCE = 1e-4  # of a mean gain, and of a token's gain per 100 tokens: below it float32 is noise


def divide(tokens: Tensor, threshold: float | Tensor, *, levels: int = 8) -> Tensor:
    """Divide one picture so that no token and no two parts can move for the better.

    Parameters
    ----------
    tokens
        (N, D), floating point, of any scale.
    threshold
        Cosine in -1..1 above which a pair speaks for one part (`picture_threshold`).
    levels
        At most so many rounds of both kinds of moves; 2 to 4 are needed.

    Returns
    -------
    Tensor
        (N,) int64, parts numbered 0, 1, ... in the order of their first token.

    Raises
    ------
    ValueError
        Where the tokens are not (N, D), floating point, with N of at least 1.
    """
    if tokens.ndim != 2 or tokens.shape[0] == 0 or not tokens.is_floating_point():
        raise ValueError(
            f"tokens must be (N, D), floating point, found {tuple(tokens.shape)} {tokens.dtype}"
        )
    x = F.normalize(tokens.detach().to(torch.promote_types(tokens.dtype, torch.float32)), dim=-1)
    gains = (x @ x.mT).sub_(threshold).fill_diagonal_(0)  # (N, N), the one large matrix
    ones = torch.ones(len(x), dtype=gains.dtype, device=x.device)
    return climb(gains, merge_parts(gains, ones), levels=levels)


def climb(gains: Tensor, labels: Tensor, *, levels: int = 8) -> Tensor:
    """Move tokens and merge parts from a first division on, until neither gains; (N,).

    gains (N, N) is symmetric with a diagonal of 0.
    """
    for _ in range(levels):
        labels = compact(move_tokens(gains, labels))
        member = F.one_hot(labels).to(gains.dtype)  # (N, k)
        merged = merge_parts(member.mT @ (gains @ member), member.sum(0))  # (k,)
        if int(merged.max()) + 1 == member.shape[1]:
            break
        labels = merged[labels]
    return compact(labels)


def merge_parts(gains: Tensor, sizes: Tensor) -> Tensor:
    """Merge parts that are each other's most similar while their mean gain is above 0.

    gains (k, k) sums of gains between parts, sizes (k,) tokens of each. Gives (k,), the new parts.
    """
    total = gains
    labels = torch.arange(len(total), device=total.device)
    while len(total) > 1:
        own = torch.arange(len(total), device=total.device)
        # of one row, sums over the sizes of the others rank like means
        best, other = (total / sizes).fill_diagonal_(-torch.inf).max(dim=1)
        best = best / sizes  # (k,), mean gain with the most similar
        pair = (other[other] == own) & (own < other) & (best > TOLERANCE)
        left, right = own[pair], other[pair]
        if len(left) == 0:
            top = best.argmax(dim=0, keepdim=True)  # rounding can hide the pair of a tie
            if float(best[top]) <= TOLERANCE:
                break
            left, right = torch.minimum(top, other[top]), torch.maximum(top, other[top])
        place = own.index_copy(0, right, left).unique(return_inverse=True)[1]  # (k,)
        total = add_rows(add_rows(total, place).mT, place)
        sizes = add_rows(sizes, place)
        labels = place[labels]
    return labels


def add_rows(rows: Tensor, place: Tensor) -> Tensor:
    """Add the rows of one place: rows (k, ...), place (k,) in 0..n - 1; gives (n, ...)."""
    sums = rows.new_zeros(int(place.max()) + 1, *rows.shape[1:])
    return sums.index_add_(0, place, rows)


def move_tokens(gains: Tensor, labels: Tensor) -> Tensor:
    """Move tokens to the parts that they gain most in until none gains; gives new labels (N,)."""
    rows = torch.arange(len(labels), device=labels.device)
    parts, least = int(labels.max()) + 1, TOLERANCE / 100 * len(labels)
    member = F.one_hot(labels, parts + 1).to(gains.dtype)  # (N, k + 1), the last part is empty
    to_parts = gains @ member  # (N, k + 1), sum of each token's gains over every part
    for _ in rows:  # a tenth of them is enough: no rounding can make it go on for ever
        best, target = to_parts.max(dim=1)
        gain = best - to_parts[rows, labels]  # (N,)
        empty = torch.bincount(labels, minlength=to_parts.shape[1]) == 0
        alone = empty[target]
        gain[alone & (rows != torch.where(alone, gain, -1.0).argmax())] = 0  # one goes alone
        order = gain.argsort(descending=True, stable=True)
        chosen = order[: int((gain > least).sum())]
        before = to_parts[rows, labels].sum()
        while len(chosen):
            trial = labels.index_copy(0, chosen, target[chosen])
            after = to_parts + gains[chosen].mT @ changes(labels, trial, chosen, to_parts)
            # one token that gains raises Q for certain, and so is not asked
            if len(chosen) == 1 or after[rows, trial].sum() > before + least:
                break
            chosen = chosen[: len(chosen) // 2]
        if len(chosen) == 0:
            return labels
        labels, to_parts = trial, after
        if not bool((torch.bincount(labels, minlength=to_parts.shape[1]) == 0).any()):
            to_parts = F.pad(to_parts, (0, 1))
    return labels


def changes(labels: Tensor, trial: Tensor, chosen: Tensor, to_parts: Tensor) -> Tensor:
    """Tell what the chosen tokens (m,) leave, -1, and where they go, 1; gives (m, k + 1)."""
    change = to_parts.new_zeros(len(chosen), to_parts.shape[1])
    change.scatter_(1, labels[chosen, None], -1.0)
    return change.scatter_(1, trial[chosen, None], 1.0)


def compact(labels: Tensor) -> Tensor:
    """Number parts 0, 1, ... in the order of their first token."""
    parts, inverse = labels.unique(return_inverse=True)
    rows = torch.arange(len(labels), device=labels.device)
    first = rows.new_full((len(parts),), len(rows)).scatter_reduce(0, inverse, rows, "amin")
    return first.argsort().argsort()[inverse]


def objective(tokens: Tensor, labels: Tensor, threshold: float | Tensor) -> Tensor:
    """Give Q of a division: labels (N,) of tokens (N, D); a scalar, the larger the better."""
    x = F.normalize(tokens.to(torch.promote_types(tokens.dtype, torch.float32)), dim=-1)
    member = F.one_hot(labels).to(x.dtype)  # (N, k)
    sums, sizes = member.mT @ x, member.sum(0)  # (k, D), (k,)
    return 0.5 * ((sums**2).sum() - len(x) - threshold * (sizes * (sizes - 1)).sum())
