"""What was found in one picture."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from acseg.concepts.confidence import concept_confidence
from acseg.errors import DataError, ImageError
from acseg.model.drawing import NOT_FINITE, draw_leaves, draw_parts
from acseg.model.notebook import encode_overlay, legend_html
from acseg.model.pipeline import Concepts
from acseg.output.label_png import write_labels
from acseg.output.overlay import overlay
from acseg.output.palette import VOID, palette
from acseg.output.records import Kind, Record, Segment
from acseg.output.segments import find_segments


@dataclass(eq=False)
class _Drawn:
    """The concepts of a picture and the parts (H, W) that were drawn of them."""

    concepts: Concepts
    part: torch.Tensor
    parts: np.ndarray
    edges: bool
    _leaves: np.ndarray | None = None

    def leaves(self, image: np.ndarray) -> np.ndarray:
        """Draw the leaves, or give those that were drawn."""
        if self._leaves is None:
            self._leaves = draw_leaves(
                self.concepts, self.part, self.parts, image, edges=self.edges
            )
        return self._leaves


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The concepts or classes of one picture, pixel by pixel.

    In a notebook it shows itself as its overlay with a legend. `acseg.export` writes it in the
    formats of other tools.

    Parameters
    ----------
    labels : (H, W) integer
        Label of each pixel, 0..254; 255 is void. Kept as uint8, read-only.
    image : (H, W, 3) uint8
        The photograph, upright.
    kind : "concepts" or "classes", default "concepts"
        Whether ids mean something in this picture alone, or the same in every picture.
    confidence : mapping from label to float, default empty
        How sure each label is, 0..1.
    names : mapping from label to str, default empty
    colours : mapping from label to (red, green, blue), default empty
        Colours other than those of `acseg.output.palette.palette`.
    drawn : optional
        Where the labels come from, so that `at` can divide the picture otherwise.

    Attributes
    ----------
    segments : tuple of Segment
        For each label that occurs, in rising order: id, area (share of the pixels), box (left,
        top, width, height), confidence, name.

    Raises
    ------
    DataError
        If the shapes do not agree, or a label lies outside 0..255.
    """

    labels: np.ndarray
    image: np.ndarray
    kind: Kind = "concepts"
    confidence: Mapping[int, float] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    drawn: "_Drawn | None" = field(default=None, repr=False)
    segments: tuple[Segment, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        labels, image = np.asarray(self.labels), np.asarray(self.image)
        if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
            raise DataError(
                f"labels must be (H, W) integer, not {labels.dtype} of shape {labels.shape}"
            )
        if image.shape != (*labels.shape, 3) or image.dtype != np.uint8:
            raise DataError(
                f"image must be {(*labels.shape, 3)} uint8 to go with the labels, "
                f"not {image.dtype} of shape {image.shape}"
            )
        if labels.size and not 0 <= labels.min() <= labels.max() <= VOID:
            raise DataError(f"labels must lie in 0..255, not {labels.min()}..{labels.max()}")
        if self.kind not in ("concepts", "classes"):
            raise DataError(f"kind must be 'concepts' or 'classes', not {self.kind!r}")
        labels = labels.astype(np.uint8)
        labels.setflags(write=False)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "image", image)
        object.__setattr__(self, "segments", find_segments(labels, self.confidence, self.names))

    @classmethod
    def of_concepts(
        cls, concepts: Concepts | None, image: np.ndarray, *, granularity: float, edges: bool
    ) -> "Segmentation":
        """Draw the concepts of a picture (H, W, 3) at a granularity, 0..1.

        Raises
        ------
        ImageError
            If there are none, as the picture's features are not finite.
        """
        if concepts is None:
            raise ImageError(NOT_FINITE)
        part = concepts.division.tree.cut(granularity)  # (n,) part of each leaf
        drawn = draw_parts(concepts, part, image, edges=edges)
        own = _Drawn(concepts, part, drawn, edges)
        return cls._put_together(own, image, part, drawn)

    @classmethod
    def of_leaves(
        cls, concepts: Concepts, leaves: np.ndarray, image: np.ndarray, *, granularity: float
    ) -> "Segmentation":
        """Put leaves (H, W) that were drawn before together at a granularity, 0..1."""
        part = concepts.division.tree.cut(granularity)
        drawn = part.numpy().astype(np.uint8)[leaves]
        own = _Drawn(concepts, part, drawn, edges=False, _leaves=leaves)
        return cls._put_together(own, image, part, drawn)

    @classmethod
    def of_classes(
        cls,
        concepts: Concepts,
        image: np.ndarray,
        part: torch.Tensor,
        *,
        ids: np.ndarray,
        confidence: np.ndarray,
        unsure: int | None,
        names: Mapping[int, str],
        edges: bool,
    ) -> "Segmentation":
        """Draw the classes of a picture.

        Parameters
        ----------
        concepts : Concepts
        image : (H, W, 3) uint8
        part : Tensor
            (n,) region of each leaf.
        ids, confidence : (R,) integer, (R,) float
            Class of each region, and how sure it is.
        unsure : int or None
            The background class: it has no centre that it could be near, and so no confidence.
        names : mapping of class id to str
        edges : bool
        """
        drawn = draw_parts(concepts, part, image, edges=edges)
        pixels = np.bincount(drawn.ravel(), minlength=len(ids))  # (R,)
        sure = {}
        for c in np.unique(ids[pixels > 0]).tolist():
            if c != unsure:
                own = (ids == c) & (pixels > 0)
                sure[c] = round(float(np.average(confidence[own], weights=pixels[own])), 4)
        return cls(ids.astype(np.uint8)[drawn], image, "classes", sure, names)

    @classmethod
    def _put_together(
        cls, own: "_Drawn", image: np.ndarray, part: torch.Tensor, drawn: np.ndarray
    ) -> "Segmentation":
        """Number the parts that own a pixel, and say how clearly each is told apart."""
        kept = np.flatnonzero(np.bincount(drawn.ravel()))
        table = np.zeros(int(kept[-1]) + 1, np.uint8)
        table[kept] = np.arange(len(kept))
        sure = concept_confidence(own.concepts.part_scores(part)).cpu()[kept].tolist()
        confidence = {n: round(c, 4) for n, c in enumerate(sure)}
        return cls(table[drawn], image, "concepts", confidence, drawn=own)

    @property
    def concepts(self) -> Concepts | None:
        """What the picture was divided into; None for classes."""
        return None if self.drawn is None else self.drawn.concepts

    @property
    def leaves(self) -> np.ndarray:
        """The finest part of each pixel, (H, W) uint8, nested in the labels; drawn once.

        Raises
        ------
        ValueError
            If these are classes.
        """
        if self.drawn is None:
            raise ValueError("only concepts that `segment` found can be divided otherwise")
        return self.drawn.leaves(self.image)

    def at(self, granularity: float) -> "Segmentation":
        """Divide the picture coarser or finer; nothing is computed again.

        Parameters
        ----------
        granularity : float
            0 (one part) to 1 (all leaves); 0.5 is the picture's own threshold.

        Raises
        ------
        ValueError
            If granularity is not in 0..1, or these are classes.
        """
        leaves = self.leaves
        assert self.drawn is not None  # noqa: S101
        part = self.drawn.concepts.division.tree.cut(granularity)
        drawn = part.numpy()[leaves]
        return self._put_together(self.drawn, self.image, part, drawn)

    def __repr__(self) -> str:
        height, width = self.labels.shape
        return f"Segmentation({width} x {height} pixels, {len(self.segments)} {self.kind})"

    @property
    def palette(self) -> np.ndarray:
        """Colour of every label: (255, 3) uint8."""
        table = palette(VOID)
        for label, colour in self.colours.items():
            table[label] = colour
        return table

    def overlay(self, *, strength: float = 0.55, outline: bool = True) -> Image.Image:
        """Draw the labels over the photograph.

        Parameters
        ----------
        strength : float, default 0.55
            Share of the colour, 0..1; try 0.3 to 0.7.
        outline : bool, default True
            Draw the borders of the regions.

        Returns
        -------
        PIL image of mode RGB; ``.save("photo.seg.png")`` writes it.
        """
        return overlay(self.image, self.labels, self.palette, strength=strength, outline=outline)

    def save(self, path: str | Path) -> Path:
        """Write the label map as an index PNG of the photograph's size; 255 is void.

        Parameters
        ----------
        path : str or Path
            A file whose name ends in ``.png``.

        Raises
        ------
        DataError
            If the name does not end in ``.png``; other formats would not keep the labels.
        """
        if Path(path).suffix.lower() != ".png":
            raise DataError(f"{path}: label maps are saved as .png; overlay().save() draws others")
        return write_labels(path, self.labels, self.palette)

    def record(self, path: str, *, labels: str | None = None, source: str | None = None) -> Record:
        """Make the line of ``segments.jsonl`` about this picture.

        Parameters
        ----------
        path : str
            Relative name of the input.
        labels, source : str, optional
            Where label map and photograph lie, from the output folder.
        """
        height, width = self.labels.shape
        tree = None if self.concepts is None else self.concepts.division.tree.to_dict()
        return Record(
            path, "ok", None, (width, height), labels, source, self.kind, self.segments, tree=tree
        )

    def _repr_png_(self) -> bytes:
        return encode_overlay(self.overlay(), "PNG")

    def _repr_html_(self) -> str:
        void = float((self.labels == VOID).mean())
        return legend_html(self.overlay(), repr(self), self.kind, self.segments, self.palette, void)
