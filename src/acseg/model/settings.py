"""The settings of a model, in small groups: what `fit` was told and what config.json keeps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from acseg.images.bands import Reading, check_bands, check_stretch

DIVISIONS = ("exact", "generator")
OBJECTIVES = ("potts", "modularity")
FOREGROUNDS = ("auto", "sum", "mean", "none")
DESCRIPTORS = ("mean-token", "crop")
BUNDLED = {"side": 160, "stride": 4, "granularity": 0.25}  # for the small backbone that ships
DINOV2 = {"blocks": (9, 12)}  # of twelve, measured: docs/research/division.md
BRINGS: dict[str, dict[str, Any]] = {
    "bundled": BUNDLED,
    "dinov2-small": DINOV2,
    "facebook/dinov2-small": DINOV2,
}
SIDE = 336


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How pictures become tokens.

    Attributes
    ----------
    backbone : str
        "dinov2-small", "bundled", a folder, or a Hugging Face name.
    blocks : tuple of int or None
        Blocks of the ViT whose tokens are joined, counted from 1. None is the family's own.
    stride : int or None
        Pixels between tokens; None is the patch. Smaller gives finer masks, slower.
    side : int
        Short side in pixels to which pictures are resized for the backbone; 160 to 640.
    bands : tuple of int or None
        Bands of a file that are red, green and blue, counted from 1; one band is grey. None is the
        first three, or the first.
    stretch : (float, float) or None
        Percentiles of each band that become black and white; 2 and 98 are usual. None leaves 8-bit
        values as they are and stretches others over their whole range.
    tile : int, "auto" or None
        Side in pixels of the tiles in which larger pictures are read; 256 to 2048. "auto" is four
        times `side`, for pictures of more than 25 million pixels. None never tiles.
    """

    backbone: str = "bundled"
    blocks: tuple[int, ...] | None = None
    stride: int | None = None
    side: int = SIDE
    bands: tuple[int, ...] | None = None
    stretch: tuple[float, float] | None = None
    tile: int | str | None = None

    def __post_init__(self) -> None:
        _text("backbone", self.backbone)
        if self.blocks is not None:
            many = isinstance(self.blocks, Sequence) and not isinstance(self.blocks, str)
            blocks = tuple(self.blocks) if many else (self.blocks,)
            if not blocks or not all(type(b) is int and b != 0 for b in blocks):
                raise ValueError(f"blocks must be whole numbers other than 0, not {self.blocks!r}")
            object.__setattr__(self, "blocks", blocks)
        if self.stride is not None:
            _whole("stride", self.stride, 1, 1024)
        _whole("side", self.side, 1, 4096)
        if self.bands is not None:  # config.json has lists
            object.__setattr__(self, "bands", check_bands(self.bands))
        if self.stretch is not None:
            object.__setattr__(self, "stretch", check_stretch(self.stretch))
        if self.tile not in (None, "auto") and not (
            type(self.tile) is int and 16 <= self.tile <= 2**16
        ):
            raise ValueError(
                f"tile must be 'auto' or a side in pixels of 16 to 65536, not {self.tile!r}"
            )

    @property
    def reading(self) -> Reading:
        """How files become pictures."""
        return Reading(self.bands, self.stretch)


@dataclass(frozen=True, kw_only=True)
class Dividing:
    """How the tokens of a picture become concepts.

    Attributes
    ----------
    division : "exact" or "generator"
        Moves on the picture's own graph, without training; or the Adaptive Concept Generator.
    concepts : int
        Prototypes k of the generator, the most concepts it finds in one picture; 5 to 16.
    granularity : float
        How finely pictures are divided, 0 (one part) to 1; 0.5 is each picture's own threshold.
    edges : bool
        Whether what is drawn follows the photograph's own edges, by a guided filter.
    """

    division: str = "exact"
    concepts: int = 16
    granularity: float = 0.5
    edges: bool = True

    def __post_init__(self) -> None:
        _one_of("division", self.division, DIVISIONS)
        _whole("concepts", self.concepts, 1, 254)
        _real("granularity", self.granularity)
        if self.granularity > 1:
            raise ValueError(f"granularity must be 0 to 1, not {self.granularity!r}")
        _true_or_false("edges", self.edges)


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the generator is trained: AdamW, linear warm-up, half a cosine down to zero.

    Attributes
    ----------
    objective : "potts" or "modularity"
        The null model: the picture's own threshold, or the degrees of the paper.
    steps, batch_size : int
        1,000 to 10,000 steps of 16 to 64 pictures.
    learning_rate, weight_decay : float
    warmup : int
        Steps.
    sample : int
        Tokens drawn from each picture; 196 to 1600. The loss costs its square.
    self_affinity : bool
        Whether a token counts as its own neighbour.
    cache_gigabytes : float
        Most disk for the cached tokens that the generator is trained on.
    """

    objective: str = "potts"
    steps: int = 2500
    batch_size: int = 32
    learning_rate: float = 5e-4
    warmup: int = 100
    weight_decay: float = 0.01
    sample: int = 400
    self_affinity: bool = True
    cache_gigabytes: float = 4.0

    def __post_init__(self) -> None:
        _one_of("objective", self.objective, OBJECTIVES)
        _whole("steps", self.steps, 1, MANY)
        _whole("batch_size", self.batch_size, 1, 2**20)
        _whole("warmup", self.warmup, 0, MANY)
        _whole("sample", self.sample, 1, 2**20)
        for name in ("learning_rate", "weight_decay", "cache_gigabytes"):
            _real(name, getattr(self, name))
        _true_or_false("self_affinity", self.self_affinity)


@dataclass(frozen=True, kw_only=True)
class Classifying:
    """How the concepts of a collection become classes.

    Attributes
    ----------
    n_classes : int or "auto"
        Classes of the collection, the background included where there is one; 5 to 30.
    foreground : "auto", "sum", "mean" or "none"
        Whether class 0 is the background, by the attention inside each region: its sum (the
        paper), its mean (does not favour large regions), or no background class. "auto" is the
        mean where attention and layout agree over the collection, and none elsewhere.
    descriptor : "mean-token" or "crop"
        What stands for a region: the mean of its tokens, or its box encoded again (the paper).
    crop_side : int
        Side in pixels to which a crop is resized; 96 to 224.
    n_init : int
        Starts of k-means; 5 to 50.
    """

    n_classes: int | str = "auto"
    foreground: str = "auto"
    descriptor: str = "mean-token"
    crop_side: int = 112
    n_init: int = 10

    def __post_init__(self) -> None:
        _one_of("foreground", self.foreground, FOREGROUNDS)
        _one_of("descriptor", self.descriptor, DESCRIPTORS)
        least = 1 if self.foreground in ("none", "auto") else 2
        if self.n_classes != "auto" and not (
            type(self.n_classes) is int and least <= self.n_classes <= 254
        ):
            raise ValueError(f"n_classes must be 'auto' or {least} to 254, not {self.n_classes!r}")
        _whole("crop_side", self.crop_side, 1, 4096)
        _whole("n_init", self.n_init, 1, 10_000)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a model, and the seed for all randomness."""

    encoding: Encoding = field(default_factory=Encoding)
    dividing: Dividing = field(default_factory=Dividing)
    training: Training = field(default_factory=Training)
    classifying: Classifying = field(default_factory=Classifying)
    seed: int = 0

    def __post_init__(self) -> None:
        _whole("seed", self.seed, 0, 2**32 - 1)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Make settings of names and values in one level, and fill in what a backbone brings.

        Raises
        ------
        ValueError
            Naming the setting that is unknown or out of range.
        """
        values = dict(values)
        brings = BRINGS.get(values.setdefault("backbone", "bundled"), {})
        for name, value in {"side": SIDE, "granularity": 0.5, **brings}.items():
            if values.get(name) is None:
                values[name] = value
        groups: dict[str, Any] = {}
        for name, group in GROUPS.items():
            own = {f.name for f in fields(group)}
            groups[name] = group(**{k: values.pop(k) for k in own & values.keys()})
        seed = values.pop("seed", 0)
        if values:
            raise ValueError(f"no setting {min(values)!r}; there are {', '.join(NAMES)}")
        return cls(seed=seed, **groups)

    def flat(self) -> dict[str, Any]:
        """Give names and values in one level."""
        values: dict[str, Any] = {}
        for name in GROUPS:
            values |= asdict(getattr(self, name))
        return {**values, "seed": self.seed}

    def to_json(self) -> dict[str, Any]:
        """Turn settings into what config.json holds."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any, where: str) -> Self:
        """Turn what config.json holds into settings.

        Raises
        ------
        ValueError
            Naming the file and the setting that is unknown or of the wrong type.
        """
        try:
            groups = {name: group(**values[name]) for name, group in GROUPS.items()}
            return cls(seed=values["seed"], **groups)
        except KeyError as error:
            raise ValueError(f"{where}: settings lack {error}") from None
        except TypeError as error:
            reason = str(error).rpartition("() ")[2]
            raise ValueError(f"{where}: settings of another acseg ({reason})") from None
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None


GROUPS: dict[str, Any] = {
    "encoding": Encoding,
    "dividing": Dividing,
    "training": Training,
    "classifying": Classifying,
}
NAMES = (*(f.name for group in GROUPS.values() for f in fields(group)), "seed")
MANY = 10**9


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a name or a folder, not {value!r}")


def _whole(name: str, value: Any, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number, {least} to {most}, not {value!r}")


def _real(name: str, value: Any) -> None:
    if type(value) not in (int, float) or not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a number of at least 0, not {value!r}")


def _true_or_false(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, not {value!r}")


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be {', '.join(known)}, not {value!r}")
