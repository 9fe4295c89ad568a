"""Pictures and masks of labelled sets, with tokens from ACSeg's own pipeline, kept on disk."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from acseg import ACSeg
from acseg.backbone.features import Features
from acseg.concepts.threshold import evenly
from acseg.images.batch import to_tensor
from acseg.model.pipeline import Pipeline
from research.datasets import DataSet, Sample


@dataclass(frozen=True)
class Encoded:
    """One labelled picture.

    Attributes
    ----------
    name : str
    picture : (H, W, 3) uint8
    mask : (H, W) int64
        Classes, 255 is void.
    features : Features
        Of a batch of one; tokens of all `blocks`, joined.
    blocks : tuple of int
    """

    name: str
    picture: NDArray[np.uint8]
    mask: NDArray[np.int64]
    features: Features
    blocks: tuple[int, ...]

    def of(self, blocks: Sequence[int]) -> Features:
        """Take the tokens of some of the blocks; each has unit length, as where it is joined."""
        lost = set(blocks) - set(self.blocks)
        if lost:
            raise ValueError(f"no tokens of block {min(lost)}; there are {self.blocks}")
        every = self.features.tokens.chunk(len(self.blocks), dim=2)
        tokens = torch.cat([every[self.blocks.index(block)] for block in blocks], dim=2)
        return Features(tokens, self.features.grid, self.features.attention)


class Encoder:
    """Encode pictures once, with every block that any method reads.

    Parameters
    ----------
    backbone : str
    wanted : iterable of tuple of int
        Joins of blocks; those that the backbone lacks are passed over, who asks for them fails.
    side : int or None
        Short side in pixels; None is the product's own.
    folder : Path
        Where tokens are kept as float16. Empty it when pictures change.
    """

    def __init__(
        self, backbone: str, wanted: Iterable[tuple[int, ...]], *, side: int | None, folder: Path
    ) -> None:
        self.model = ACSeg(backbone, side=side, precision="float32", runtime="torch")
        self.default = self.model.pipeline.backbone.blocks
        known = range(1, self.model.pipeline.backbone.layers + 1)
        self.blocks = tuple(sorted({*self.default, *sum(wanted, ())} & set(known)))
        if self.blocks != self.default:
            self.model.set_params(blocks=self.blocks)
        self.pipeline: Pipeline = self.model.pipeline
        name = f"{Path(backbone).name}-{self.pipeline.side}-{'+'.join(map(str, self.blocks))}"
        self.folder = folder / name

    def pictures(self, dataset: DataSet, images: int = 0) -> Iterator[Encoded]:
        """Give so many pictures of a set, evenly spaced, 0 for all, one after another."""
        for place in evenly(len(dataset), images or len(dataset)).tolist():
            yield self.encode(dataset[place], dataset)

    @torch.inference_mode()
    def encode(self, sample: Sample, dataset: DataSet) -> Encoded:
        """Give a picture with its mask and tokens, which are read where they are kept already."""
        picture, mask = dataset.crop_rule(sample.image(), sample.mask())
        path = self.folder / dataset.crop / dataset.home.name / f"{sample.name}.npz"
        if not path.is_file():
            patch = self.pipeline.backbone.patch
            image = to_tensor(picture, side=self.pipeline.side, multiple=patch)
            found = self.pipeline.encode(image[None])
            keep(path, tokens=found.tokens, attention=found.attention, grid=found.grid)
        with np.load(path) as kept:  # rounded to float16 the first time, too
            tokens, attention = (
                torch.from_numpy(kept[n].astype(np.float32)) for n in ("tokens", "attention")
            )
            h, w = kept["grid"].tolist()
        return Encoded(sample.name, picture, mask, Features(tokens, (h, w), attention), self.blocks)


def keep(
    path: Path, *, tokens: torch.Tensor, attention: torch.Tensor, grid: tuple[int, int]
) -> None:
    """Write what the backbone gave, as float16, so that a killed run leaves no half file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    half = [values.cpu().half().numpy() for values in (tokens, attention)]
    with part.open("wb") as file:
        np.savez(file, tokens=half[0], attention=half[1], grid=np.array(grid))
    part.replace(path)
