"""Ways to divide a picture, by name; all are drawn by the product's own drawing.

"exact" and "generator" are the product; "kmeans-K", "spectral-K" and "agglomerative-K" find K
parts, "ncut" its own number ("ncut-K" at most K).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from acseg import ACSeg
from acseg.backbone.features import Features
from acseg.concepts.assignment import concept_scores
from acseg.concepts.division import Division, leaf_means
from acseg.concepts.tree import grow_tree
from acseg.model.drawing import draw_parts
from acseg.model.pipeline import Concepts, Pipeline
from research.baselines import cluster
from research.recipe import Row

BASELINES = ("kmeans", "spectral", "agglomerative", "ncut")


@dataclass(frozen=True)
class Parts:
    """A picture in R parts, each of some leaves: `part` (n,)."""

    concepts: Concepts
    part: Tensor

    def __len__(self) -> int:
        return int(self.part.max()) + 1

    @property
    def sizes(self) -> Tensor:
        """Tokens of each part, (R,)."""
        sizes = torch.tensor(self.concepts.division.tree.sizes).float()
        return torch.zeros(len(self)).index_add_(0, self.part, sizes)

    @property
    def descriptors(self) -> Tensor:
        """Mean of each part's tokens, of length 1; (R, D)."""
        division = self.concepts.division
        sums = division.concepts * torch.tensor(division.tree.sizes).to(division.concepts)[:, None]
        zeros = sums.new_zeros(len(self), sums.shape[1])
        return F.normalize(zeros.index_add_(0, self.part.to(sums.device), sums), dim=1).cpu()

    def draw(self, picture: NDArray[np.uint8], *, edges: bool) -> NDArray[np.uint8]:
        """Draw the part of each pixel, (H, W)."""
        return draw_parts(self.concepts, self.part, picture, edges=edges)


class Divisions:
    """All ways to divide.

    Parameters
    ----------
    pipeline : Pipeline
        Of the exact division.
    backbone : str
        For which a generator may ship.
    """

    def __init__(self, pipeline: Pipeline, backbone: str) -> None:
        self.pipeline = pipeline
        self.backbone = backbone

    @cached_property
    def generator(self) -> Pipeline:
        """The pipeline with the generator that ships."""
        model = ACSeg.from_pretrained(self.backbone, division="generator")
        return Pipeline(self.pipeline.backbone, model.settings, model.generator_)

    @torch.inference_mode()
    def divide(self, features: Features, row: Row, *, seed: int = 0) -> Parts:
        """Divide a picture, a batch of one, as a row says."""
        device = self.pipeline.backbone.device
        features = replace(
            features, tokens=features.tokens.to(device), attention=features.attention.to(device)
        )
        if row.division in ("exact", "generator"):
            pipeline = self.pipeline if row.division == "exact" else self.generator
            vectors = None
            if row.division == "generator":
                found = pipeline.generated(features.tokens)
                vectors = None if found is None else found[0]
            concepts = pipeline.divide(features, 0, vectors)
            return Parts(concepts, concepts.division.tree.cut(row.granularity))
        return parts_of(features, clustered(features, row.division, seed))


def clustered(features: Features, division: str, seed: int) -> NDArray[np.int64]:
    """Cluster the tokens of a picture by a baseline, (N,) from 0."""
    method, _, number = division.partition("-")
    if method not in BASELINES or not (number.isdigit() or (method, number) == ("ncut", "")):
        ways = ", ".join(f"{name}-K" for name in BASELINES)
        raise ValueError(f"no division {division!r}; there are exact, generator, ncut, {ways}")
    k = int(number) if number else None
    return cluster(features.tokens[0].cpu().numpy(), method, k=k, seed=seed)


def parts_of(features: Features, labels: NDArray[np.int64]) -> Parts:
    """Make each cluster (N,) a part, whose score is the cosine with the mean of its tokens."""
    x = F.normalize(features.tokens[0], dim=-1)
    leaves = torch.from_numpy(labels).to(x.device)
    division = Division(leaves, leaf_means(x, leaves), grow_tree(x, leaves, 1.0))
    scores = concept_scores(x[None], division.concepts[None])[0]
    concepts = Concepts(division, scores, features.grid, features.attention[0])
    return Parts(concepts, torch.arange(len(division.concepts)))
