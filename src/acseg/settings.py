"""The settings of a run, in one record: what `fit` was told and what RUN/config.json keeps."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from acseg.errors import RunError
from acseg.images.bands import Reading, check_bands, check_stretch

DESCRIPTORS = ("crop", "crop-inside", "masked-crop", "mean-token", "concept-vector")
FOREGROUNDS = ("sum", "mean", "none")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How pictures become concepts, and concepts classes.

    Attributes
    ----------
    backbone : str
        "bundled", a folder, or a Hugging Face name.
    block : int, tuple of int, or None
        Whose tokens are used; None is the family's usual block. Those of several blocks are joined.
    stride : int or None
        Image points between pixels; None is the patch. Smaller gives finer masks, slower.
    side : int or None
        Short side in px to which pictures are resized before the backbone; 160 to 640. None is
        28 patches (224 px for patch 8), or what the bundled model was made for.
    concepts : int
        Prototypes k, the most concepts in one picture; 3 to 10.
    rounds : int or None
        Lloyd's rounds that move a picture's concepts to the mean of their pixels before these are
        assigned; 3 to 20. 0 is the paper. None is 0, or what the bundled backbone brings.
    merge : float or None
        Mean affinity above which two concepts of a picture become one; 0.3 to 0.9, and 1 for
        never, as in the paper. None is never, or what the bundled backbone was measured to need.
    ground : float or None
        Least ground score of a picture in which concepts are merged; 0.3 to 0.8, and 0 for all
        pictures. Below it a picture is a scene of many things, and keeps its concepts; see
        `acseg.concepts.ground`. None is all, or what the bundled backbone was measured to need
        where `merge` is left open, too.
    steps, batch, learning_rate, warmup, weight_decay
        Of the generator's training (AdamW, linear warm-up, cosine fall); 1,000 to 10,000 steps.
    sample : int
        Pixels drawn from each picture for training; 196 to 1600. The loss costs its square.
    self_affinity : bool
        Whether a pixel counts as its own neighbour in the modularity.
    classes : int or "auto"
        Classes of the collection, the background included where there is one.
    foreground : "sum", "mean" or "none"
        How attention decides on background: summed in each region (the paper), averaged (does
        not favour large regions), or no background class at all.
    descriptor : str or None
        What stands for a region in the collection; see `acseg.classes.descriptors`. None is "crop"
        (the paper), or what the bundled backbone was measured to need.
    crop_side : int
        Side in px to which a region's crop is resized to be encoded again, rounded to a multiple
        of the patch; 96 to 224.
    restarts : int
        Of k-means; 5 to 50.
    cache_gigabytes : float
        Most disk for cached features; pictures beyond it are not used for training the generator,
        though all are described and classified.
    seed : int
    bands : tuple of int or None
        Which bands of a file are red, green and blue, counted from 1; one band is grey. None is
        the first three, or the first.
    stretch : (float, float) or None
        Percentiles of each band that become black and white; 2 and 98 are usual. None leaves
        8-bit values as they are and stretches others over their whole range.
    tile : int, "auto" or None
        Side in px of the tiles in which larger pictures are read; 256 to 2048, less for smaller
        things. "auto" is four times `side`, for pictures of more than 25 million pixels only.
        None never tiles: a picture goes to the backbone whole, made smaller.
    """

    backbone: str = "bundled"
    block: int | tuple[int, ...] | None = None
    stride: int | None = None
    side: int | None = None
    concepts: int = 5
    rounds: int | None = None
    merge: float | None = None
    ground: float | None = None
    steps: int = 2500
    batch: int = 32
    learning_rate: float = 5e-4
    warmup: int = 100
    weight_decay: float = 0.01
    sample: int = 400
    self_affinity: bool = True
    classes: int | str = "auto"
    foreground: str = "sum"
    descriptor: str | None = None
    crop_side: int = 96
    restarts: int = 10
    cache_gigabytes: float = 4.0
    seed: int = 0
    bands: tuple[int, ...] | None = None
    stretch: tuple[float, float] | None = None
    tile: int | str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.backbone, str) or not self.backbone:
            raise RunError(f"backbone must be a name or a folder, not {self.backbone!r}")
        for name, (least, most) in WHOLE.items():
            value = getattr(self, name)
            if value is None and name in UNSET:
                continue
            if type(value) is not int or not least <= value <= most:
                raise RunError(f"{name} must be a whole number, {least} to {most}, not {value!r}")
        for name in REAL:
            value = getattr(self, name)
            if value is None and name in UNSET:
                continue
            if type(value) not in (int, float) or not 0 <= value < math.inf:
                raise RunError(f"{name} must be a number of at least 0, not {value!r}")
        if not isinstance(self.self_affinity, bool):
            raise RunError(f"self_affinity must be true or false, not {self.self_affinity!r}")
        if self.foreground not in FOREGROUNDS:
            raise RunError(f"foreground must be sum, mean or none, not {self.foreground!r}")
        if self.descriptor not in (None, *DESCRIPTORS):
            known = ", ".join(DESCRIPTORS)
            raise RunError(f"descriptor must be one of {known}, not {self.descriptor!r}")
        least = 2 if self.background else 1
        if self.classes != "auto" and not (
            type(self.classes) is int and least <= self.classes <= 254
        ):
            raise RunError(f"classes must be 'auto' or {least} to 254, not {self.classes!r}")
        if self.tile not in (None, "auto") and not (
            type(self.tile) is int and 16 <= self.tile <= 2**16
        ):
            raise RunError(f"tile must be 'auto' or a side in px of 16 to 65536, not {self.tile!r}")
        try:  # config.json has lists
            if self.block is not None:
                object.__setattr__(self, "block", check_block(self.block))
            if self.bands is not None:
                object.__setattr__(self, "bands", check_bands(self.bands))
            if self.stretch is not None:
                object.__setattr__(self, "stretch", check_stretch(self.stretch))
        except ValueError as error:
            raise RunError(str(error)) from None

    @property
    def reading(self) -> Reading:
        """How files become pictures."""
        return Reading(self.bands, self.stretch)

    @property
    def described_by(self) -> str:
        """What stands for a region: the descriptor, or the paper's where it was left open."""
        return self.descriptor or DESCRIPTORS[0]

    @property
    def background(self) -> bool:
        """Whether class 0 is the background."""
        return self.foreground != "none"


def check_block(block: Any) -> int | tuple[int, ...]:
    """Give a block, or several as a tuple; ValueError for anything else."""
    several = tuple(block) if isinstance(block, list | tuple) else (block,)
    if not several or any(type(one) is not int for one in several):
        raise ValueError(f"block must be a whole number, or several, not {block!r}")
    return several if isinstance(block, list | tuple) else several[0]


MANY = 10**9
WHOLE = {  # least and most
    "side": (1, 4096),
    "stride": (1, 1024),
    "concepts": (1, 254),  # a label map has no more labels
    "rounds": (0, 1000),
    "steps": (1, MANY),
    "batch": (1, 2**20),
    "warmup": (0, MANY),
    "sample": (1, 2**20),
    "crop_side": (1, 4096),
    "restarts": (1, 10_000),
    "seed": (0, 2**32 - 1),
}
UNSET = ("side", "stride", "rounds", "merge", "ground")  # may be None
REAL = ("merge", "ground", "learning_rate", "weight_decay", "cache_gigabytes")


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """Turn settings into what config.json holds."""
    return asdict(settings)


def settings_from_json(values: Any, where: str) -> Settings:
    """Turn what a config.json holds into settings.

    Raises
    ------
    RunError
        Naming the file and the setting that is unknown or of the wrong type.
    """
    if not isinstance(values, dict):
        raise RunError(f"{where}: expected a table of settings, found {type(values).__name__}")
    known = {f.name for f in fields(Settings)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise RunError(f"{where}: no setting {unknown[0]!r}; a newer acseg may have written it")
    try:
        return Settings(**values)
    except RunError as error:
        raise RunError(f"{where}: {error}") from error
