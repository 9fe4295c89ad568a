"""The one chain from pictures to regions: images -> tokens -> concepts -> tree -> regions.

`ACSeg`, the collection pass, tiles, training and research all call it.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from acseg.backbone.backbone import Backbone
from acseg.backbone.features import Features
from acseg.classes.crops import describe_crops
from acseg.classes.regions import Leaves, Regions, flat_leaves
from acseg.concepts.assignment import concept_scores
from acseg.concepts.division import Division, divide_by_concepts, divide_picture
from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.model.settings import Settings


@dataclass(frozen=True)
class Concepts:
    """One picture, divided: its leaves, how each token scores them, and where attention lies.

    Attributes
    ----------
    division : Division
        Leaves (N,), their means (n, D), and the tree above them.
    scores : Tensor
        (N, n) cosine of each token with each leaf.
    grid : (int, int)
        (h, w) of the tokens.
    attention : Tensor
        (N,) of the CLS token.
    """

    division: Division
    scores: Tensor
    grid: tuple[int, int]
    attention: Tensor

    def part_scores(self, part: Tensor) -> Tensor:
        """Score each token against parts (n,) of the leaves: cosines (N, R).

        The leaves' sums add up to the parts' sums, so no token is needed:
        ``cos(x, p) = sum_l n_l |m_l| cos(x, m_l) / |sum_l n_l m_l|`` over the leaves l of part p.
        """
        means = self.division.concepts  # (n, D)
        sizes = torch.tensor(self.division.tree.sizes).to(means)  # (n,)
        member = F.one_hot(part.to(means.device)).to(means)  # (n, R)
        weights = sizes * torch.linalg.vector_norm(means, dim=1)
        lengths = torch.linalg.vector_norm(member.mT @ (means * sizes[:, None]), dim=1)  # (R,)
        return (self.scores * weights) @ member / lengths.clamp(min=1e-12)

    @property
    def leaves(self) -> Leaves:
        """The leaves with what tells them apart."""
        h, w = self.grid
        rim = torch.zeros(h, w, dtype=self.attention.dtype, device=self.attention.device)
        rim[0] = rim[-1] = rim[:, 0] = rim[:, -1] = 1
        member = F.one_hot(self.division.leaves).to(rim)  # (N, n)
        attention, border = torch.stack([self.attention, rim.flatten()]) @ member  # (n,) each
        return Leaves(self.division.tree, self.division.concepts, attention, border)


class Pipeline:
    """From a batch of images to the regions of each.

    Parameters
    ----------
    backbone : Backbone
    settings : Settings
        Complete.
    generator : AdaptiveConceptGenerator, optional
        For the division "generator".
    """

    def __init__(
        self,
        backbone: Backbone,
        settings: Settings,
        generator: AdaptiveConceptGenerator | None = None,
    ) -> None:
        self.backbone = backbone
        self.settings = settings
        self.generator = None if generator is None else generator.to(backbone.device)

    @property
    def side(self) -> int:
        """Short side in pixels to which pictures are resized."""
        return self.settings.encoding.side

    def encode(self, images: Tensor) -> Features:
        """Turn images (B, 3, h, w) in 0..1 into tokens (B, N, D) and attention (B, N)."""
        features: Features = self.backbone(images)
        return features

    @torch.inference_mode()
    def concepts(self, images: Tensor) -> list[Concepts | None]:
        """Find the concepts of each image of a batch; None where its features are not finite."""
        features = self.encode(images)
        good = features.finite().tolist()
        if not all(good):
            features = features.filled()
        vectors = self.generated(features.tokens)
        return [
            self.divide(features, i, None if vectors is None else vectors[i]) if good[i] else None
            for i in range(len(good))
        ]

    def generated(self, tokens: Tensor) -> Tensor | None:
        """Generate concepts (B, k, D) from tokens (B, N, D); None for the exact division."""
        if self.settings.dividing.division == "exact":
            return None
        if self.generator is None:
            raise ValueError("division 'generator' needs a generator; `fit` trains one")
        lower = self.backbone.precision
        with torch.autocast(tokens.device.type, lower, enabled=lower != torch.float32):
            vectors: Tensor = self.generator(tokens)
        return vectors.float()

    def divide(
        self, features: Features, i: int, vectors: Tensor | None, *, grid: bool = True
    ) -> Concepts:
        """Divide image i of a batch; without `grid` its tokens have no neighbours."""
        tokens = features.tokens[i]  # (N, D)
        near = features.grid if grid else None
        if vectors is None:
            division = divide_picture(tokens, grid=near)
        else:
            division = divide_by_concepts(tokens, vectors, least=1)
        scores = concept_scores(tokens[None], division.concepts[None])[0]  # (N, n)
        return Concepts(division, scores, features.grid, features.attention[i])

    @torch.inference_mode()
    def leaves(self, concepts: Concepts, image: Tensor) -> Leaves:
        """Describe the leaves of an image (3, h, w) as the settings say.

        Crops are of the regions at the granularity of the settings, each of which is a leaf then.
        """
        own = self.settings
        leaves = concepts.leaves
        if own.classifying.descriptor == "mean-token":
            return leaves
        patch, g = self.backbone.patch, own.dividing.granularity
        side = max(1, round(own.classifying.crop_side / patch)) * patch
        labels = concepts.division.labels(g).view(concepts.grid)
        crops = describe_crops(image.to(labels.device), labels, self.backbone, side=side)
        return flat_leaves(replace(leaves.regions(g), descriptors=crops))

    def regions(self, concepts: Concepts, image: Tensor) -> Regions:
        """Put leaves together to regions, at the granularity of the settings, and describe them."""
        g = self.settings.dividing.granularity
        part = concepts.division.tree.cut(g)
        return replace(self.leaves(concepts, image).regions(g), part=part)
