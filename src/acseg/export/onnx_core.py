"""The middle of the exported graph: from images to the scores and classes of their parts.

It is the pipeline of a model whose division is "generator", put together without a value that
decides a shape: every image has all k prototypes as leaves, and k parts, those without a token
among them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from acseg.backbone.backbone import Backbone
from acseg.concepts.assignment import assign, concept_scores
from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.concepts.threshold import cosine_threshold
from acseg.concepts.traced import merged

ABSENT = -3.0  # score of a part that owns no token: below every cosine, and after resizing too


class Core(nn.Module):
    """Turn images into the scores of their parts, and into the class of each part.

    Parameters
    ----------
    backbone : Backbone
        In torch, float32, on the processor.
    generator : AdaptiveConceptGenerator
    centres : Tensor or None
        (C, D), of length 1; None for no classes.
    drawn : Tensor
        (256,) int64: the class that is drawn for each class that is found.
    foreground : "sum", "mean" or "none"
    """

    centres: Tensor
    drawn: Tensor

    def __init__(
        self,
        backbone: Backbone,
        generator: AdaptiveConceptGenerator,
        *,
        centres: Tensor | None,
        drawn: Tensor,
        foreground: str,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.generator = generator
        self.classified = centres is not None
        self.foreground = foreground
        self.register_buffer("centres", torch.zeros(1, 1) if centres is None else centres)
        self.register_buffer("drawn", drawn)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Turn images (B, 3, h, w) in 0..1 into scores (B, k, gh, gw) and classes (B, k)."""
        tokens, attention = self.backbone.encode(images)  # (B, N, D), (B, N)
        unit = F.normalize(tokens, dim=2)
        nearest = assign(concept_scores(tokens, self.generator(tokens)))  # (B, N)
        place = torch.arange(len(self.generator.prototypes))
        member = (nearest[:, :, None] == place).float()  # (B, N, k)
        counts = member.sum(dim=1)  # (B, k)
        sums = member.mT @ unit  # (B, k, D)
        group = merged(sums @ sums.mT, counts, threshold_of(unit))  # (B, k)
        inside = (part_numbers(group, member)[:, :, None] == place).float()  # (B, leaves, parts)
        size = (inside.mT @ counts[:, :, None])[:, :, 0]  # (B, k) from here on: of parts
        sums = inside.mT @ sums
        maps = torch.where(size[:, None] > 0, concept_scores(tokens, sums), ABSENT).mT
        stride = self.backbone.stride
        maps = maps.unflatten(2, (images.shape[2] // stride, images.shape[3] // stride))
        if not self.classified:
            return (maps,)
        looked = inside.mT @ (member.mT @ attention[:, :, None])
        return maps, self.classes(sums, size, looked[:, :, 0])

    def classes(self, sums: Tensor, size: Tensor, looked: Tensor) -> Tensor:
        """Find the class of each part, (B, k) int64; any where it owns no token.

        sums (B, k, D) of its tokens, their number and their attention (B, k).
        """
        found = (F.normalize(sums, dim=2) @ self.centres.mT).argmax(dim=2)  # (B, k)
        if self.foreground != "none":
            looked = looked / size.clamp(min=1) if self.foreground == "mean" else looked
            found = torch.where(foreground_of(looked, size > 0), found + 1, 0)
        return self.drawn[found]


def threshold_of(unit: Tensor) -> Tensor:
    """Find the threshold (B,) of tokens (B, N, D) of length 1; see `picture_threshold`."""
    return cosine_threshold(unit @ unit.mT, torch.arange(unit.shape[1]))


def part_numbers(group: Tensor, member: Tensor) -> Tensor:
    """Number the part of each leaf in the order of the parts' first tokens; (B, k) int64.

    group (B, k) of `merged`, member (B, N, k) of 0 and 1. Leaves without a token have the number
    that comes next.
    """
    n, place = member.shape[1], torch.arange(group.shape[1])
    there = member.sum(dim=1) > 0
    first = torch.where(there, member.argmax(dim=1), n)  # (B, k) of each leaf
    inside = group[:, :, None] == place  # (B, k leaves, k parts)
    first = torch.where(inside, first[:, :, None], n).amin(dim=1)  # (B, k) of each part
    before = (first[:, None, :] < first[:, :, None]).sum(dim=2)  # (B, k) parts that begin earlier
    return before.gather(1, group)


def foreground_of(scores: Tensor, present: Tensor) -> Tensor:
    """Split each image's regions by exact 2-means, as `acseg.classes.foreground` does, in (B, k).

    Every score is tried as the highest of the background; with the mean taken away, the low group
    sums to s, the high one to -s, and s^2 (1/low + 1/high) lies between them: the most is the best.
    """
    scores, here = scores.double(), present.double()
    total = here.sum(dim=1, keepdim=True)  # (B, 1)
    centred = (scores - (scores * here).sum(dim=1, keepdim=True) / total) * here
    below = (scores[:, None, :] <= scores[:, :, None]).double() * here[:, None]  # (B, cut, k)
    low = below.sum(dim=2)  # (B, k) at each cut
    high = total - low
    allowed = present & (high > 0)
    share = 1 / low.clamp(min=1) + 1 / high.clamp(min=1)  # the same for both of two mirrored cuts
    between = (below @ centred[:, :, None])[:, :, 0].square() * share
    between = torch.where(allowed, between, -1.0)
    most = between.amax(dim=1, keepdim=True)
    equal = allowed & (between == most)  # of equal cuts the lowest
    cut = torch.where(equal, scores, torch.inf).amin(dim=1, keepdim=True)
    return (scores > cut) | ~allowed.any(dim=1, keepdim=True)
