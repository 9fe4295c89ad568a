"""The steps of the pipeline on one batch: images, pixels, concepts, regions, classes."""

import torch
from numpy.typing import NDArray
from torch import Tensor

from acseg.backbone.backbone import Backbone
from acseg.backbone.features import Features
from acseg.backbone.load import load_backbone
from acseg.classes.clusters import assign_clusters
from acseg.classes.descriptors import describe_regions
from acseg.classes.foreground import foreground_scores, split_foreground
from acseg.classes.ids import class_ids
from acseg.classes.regions import find_regions
from acseg.concepts.assignment import assign, concept_scores
from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.concepts.ground import merge_thresholds
from acseg.concepts.lloyd import lloyd_rounds
from acseg.concepts.merging import merge_alike
from acseg.drawing import Conceptualized
from acseg.estimator import Estimator, UnfittedError
from acseg.naming.named import Named

PATCHES = 28  # on the short side, where `side` is not set


class Steps(Named, Estimator):
    """What a model does with one batch; a base of `ACSeg`. It contains no mathematics."""

    precision: str
    runtime: str
    generator_: AdaptiveConceptGenerator
    _backbone: Backbone | None

    def classify(self, descriptors: Tensor, foreground: Tensor | None) -> tuple[NDArray, NDArray]:
        """Find the class of each region, and how sure it is.

        Parameters
        ----------
        descriptors : (R, D)
            Of `describe`.
        foreground : (R,) bool, optional
            Of `foreground`.

        Returns
        -------
        ids, sure : (R,) integer, (R,) float
            Classes as they are drawn: merged ones as one, dropped ones as void.
        """
        if self.centres_ is None:
            raise UnfittedError("this model has no classes yet; `fit` on a collection finds them")
        rows = descriptors.cpu().nan_to_num(0, 0, 0)  # of images whose features are not finite
        clusters, sure = assign_clusters(rows, self.centres_)
        ids = class_ids(clusters, None if foreground is None else foreground.cpu())
        return self._drawn(ids), sure

    @torch.inference_mode()
    def conceptualize(self, images: Tensor) -> Conceptualized:
        """Encode a batch (B, 3, h, w) in 0..1 and generate its concepts."""
        return self.conceptualize_features(self.backbone(images))

    @torch.inference_mode()
    def conceptualize_features(self, features: Features) -> Conceptualized:
        """Generate the concepts of a batch that was encoded.

        An image whose features are not finite has scores that are NaN, and costs no other image
        of the batch anything.
        """
        good = features.finite()  # (B,)
        broken = not bool(good.all())
        if broken:
            features = features.filled()
        where, products = features.tokens.device.type, self.backbone.precision
        with torch.autocast(where, products, enabled=products != torch.float32):
            concepts = self._generator()(features.tokens)  # (B, k, D)
        concepts = lloyd_rounds(features.tokens, concepts, self.settings.rounds or 0)
        scores, _ = merge_alike(
            features.tokens,
            concept_scores(features.tokens, concepts),  # (B, N, k)
            self._merge_thresholds(features),
            products=products,
        )
        regions = find_regions(assign(scores).unflatten(1, features.grid))
        if broken:
            scores = scores.masked_fill(~good[:, None, None], torch.nan)
        return Conceptualized(features, concepts, scores, regions)

    @torch.inference_mode()
    def describe(self, found: Conceptualized, images: Tensor) -> Tensor:
        """Describe the regions of a batch, (R, D) of length 1."""
        patch = self.backbone.patch
        return describe_regions(
            found.regions,
            kind=self.settings.described_by,
            pixels=found.features.tokens,
            concepts=found.concepts,
            images=images.to(found.concepts.device),
            encode=self.backbone,
            side=max(1, round(self.settings.crop_side / patch)) * patch,
        )

    def foreground(self, found: Conceptualized) -> Tensor | None:
        """Say which regions of a batch are foreground, (R,) bool; None without background."""
        if not self.settings.background:
            return None
        scores = foreground_scores(
            found.features.attention.flatten(),
            found.regions.ids.flatten(),
            len(found.regions),
            reduce=self.settings.foreground,
        )
        return split_foreground(scores, found.regions.image)

    @property
    def backbone(self) -> Backbone:
        """The frozen backbone, loaded at first use."""
        if self._backbone is None:
            self._fill_in()
            self._backbone = load_backbone(
                self.settings.backbone,
                blocks=self.settings.block,
                stride=self.settings.stride,
                device=self.device,
                precision=self.precision,
                runtime=self.runtime,
            )
        return self._backbone

    @property
    def side(self) -> int:
        """Short side in px to which pictures are resized."""
        patch = self.backbone.patch  # loads, and so settles the side of the bundled model
        return PATCHES * patch if self.settings.side is None else self.settings.side

    def _merge_thresholds(self, features: Features) -> float | Tensor:
        own = self.settings
        return merge_thresholds(features.tokens, features.grid, own.merge, own.ground)

    def _generator(self) -> AdaptiveConceptGenerator:
        generator = getattr(self, "generator_", None)
        if generator is None:
            raise UnfittedError("this model has no generator yet; `fit` trains, `load` brings one")
        return generator.to(self.backbone.device)  # `set_params` may have moved the backbone
