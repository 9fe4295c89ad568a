"""The middle of the exported graph: from images to the scores and the classes of concepts.

The same functions as in `acseg.model`, put together without tables of regions: every image has all
k prototypes as regions, those without a pixel among them, so that no shape depends on a value.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from acseg.backbone.backbone import Backbone
from acseg.concepts.assignment import assign, concept_scores
from acseg.concepts.ground import merge_thresholds
from acseg.concepts.lloyd import lloyd_rounds
from acseg.concepts.merging import merge_concepts, merge_scores, whole_affinity

ABSENT = -3.0  # score of a prototype that owns no pixel: below every cosine, and after resizing too


class Core(nn.Module):
    """Turn images into the scores of their concepts, and into the class of each concept.

    Parameters
    ----------
    backbone : Backbone
        In torch, float32, on the processor.
    generator : nn.Module
    rounds : int
        Of Lloyd, from the generator's concepts.
    merge : float or None
        Threshold of merging; None for never.
    ground : float or None
        Least ground score of an image in which concepts merge; None for all.
    centres : Tensor or None
        (C, D), of length 1; None for no classes.
    drawn : Tensor
        (256,) int64: the class that is drawn for each class that is found.
    foreground : "sum", "mean" or "none"
    descriptor : "mean-token" or "concept-vector"
    """

    centres: Tensor
    drawn: Tensor

    def __init__(
        self,
        backbone: Backbone,
        generator: nn.Module,
        *,
        rounds: int,
        merge: float | None,
        ground: float | None,
        centres: Tensor | None,
        drawn: Tensor,
        foreground: str,
        descriptor: str,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.generator = generator
        self.rounds = rounds
        self.merge = merge
        self.ground = ground
        self.classified = centres is not None
        self.foreground = foreground
        self.descriptor = descriptor
        self.register_buffer("centres", torch.zeros(1, 1) if centres is None else centres)
        self.register_buffer("drawn", drawn)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Turn images (B, 3, h, w) in 0..1 into scores (B, k, gh, gw) and classes (B, k) int64."""
        pixels, attention = self.backbone.encode(images)  # (B, N, D), (B, N)
        concepts = lloyd_rounds(pixels, self.generator(pixels), self.rounds)  # (B, k, D)
        scores = concept_scores(pixels, concepts)  # (B, N, k)
        k = scores.shape[2]
        stride = self.backbone.stride
        grid = images.shape[2] // stride, images.shape[3] // stride
        limit = merge_thresholds(pixels, grid, self.merge, self.ground)
        if isinstance(limit, Tensor) or limit < 1:
            group = merge_concepts(*whole_affinity(pixels, assign(scores), k), limit)
            scores = merge_scores(scores, group)
        member = (assign(scores)[:, :, None] == torch.arange(k)).float()  # (B, N, k)
        present = member.sum(dim=1) > 0  # (B, k)
        shown = torch.where(present[:, None], scores, ABSENT)
        maps = shown.mT.unflatten(2, grid)
        if not self.classified:
            return (maps,)
        return maps, self.classes(pixels, attention, concepts, member, present)

    def classes(
        self, pixels: Tensor, attention: Tensor, concepts: Tensor, member: Tensor, present: Tensor
    ) -> Tensor:
        """Find the class of each prototype, (B, k) int64; any where it owns no pixel."""
        counts = member.sum(dim=1).clamp(min=1)  # (B, k)
        vectors = concepts
        if self.descriptor == "mean-token":
            vectors = (member.mT @ pixels) / counts[:, :, None]
        found = (functional.normalize(vectors, dim=2) @ self.centres.mT).argmax(dim=2)  # (B, k)
        if self.foreground != "none":
            scores = (member.mT @ attention[:, :, None])[:, :, 0]
            scores = scores / counts if self.foreground == "mean" else scores
            found = torch.where(foreground_of(scores, present), found + 1, 0)
        return self.drawn[found]


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
    between = (below @ centred[:, :, None])[:, :, 0].square() / low.clamp(min=1)
    between = between * total / high.clamp(min=1)
    between = torch.where(allowed, between, -1.0)
    most = between.amax(dim=1, keepdim=True)
    equal = allowed & (between == most)  # of equal cuts the lowest
    cut = torch.where(equal, scores, torch.inf).amin(dim=1, keepdim=True)
    return (scores > cut) | ~allowed.any(dim=1, keepdim=True)
