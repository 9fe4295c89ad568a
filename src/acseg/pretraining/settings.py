"""The settings of a pre-training, as one record that a TOML file can hold."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from acseg.errors import DataError

POSITIVE = (  # the other numbers may be 0
    *("dim", "layers", "heads", "patch", "side", "batch", "steps"),
    *("learning_rate", "temperature"),
)


@dataclass(frozen=True, kw_only=True)
class PretrainSettings:
    """What a pre-training depends on; the same settings and pictures give the same weights.

    Attributes
    ----------
    dim, layers, heads, patch : int
        Shape of the ViT. 192 x 6 x 3 with patch 8 has 2.7 million weights; try 192 to 384 x 6 to
        12. Ignored where training continues from a given backbone.
    side : int
        Side of a training view in px; 64 to 128 for photographs of 128 px.
    batch, steps : int
        Photographs a step, and steps; 100,000 photographs seen show the first grouping.
    learning_rate, weight_decay : float
        Of AdamW; try 5e-4 to 2e-3 and 0.02 to 0.1.
    warmup, cooldown : float
        Shares of the steps in which the rate rises at the start and falls to 0 at the end. In
        between it stays, so that a longer training can go on from before the cooldown.
    momentum : float
        Of the teacher, the running mean of the student that is saved; 0.99 to 0.999.
    affinity, region, picture : float
        Weights of the affinity loss, the contrast of regions and the contrast of pictures.
    figure_weight : float
        Votes of a clear figure against ground in the target affinity; 1 to 16. More means fewer,
        larger concepts on pictures of one object.
    figure_slope : float
        How far figure and ground are pushed apart before they are compared; 0 (not) to 16.
    temperature : float
        Of both contrasts; 0.1 to 0.3.
    crop : tuple of two float
        Range of a view's share of the photograph.
    strength : float
        Of the colour changes, 0 to 1.
    collage : float
        Probability that a cut-out of another photograph is pasted into a view, twice; 0 to 1.
        For scenes of many things, which photographs of one object do not show.
    seed : int
    """

    dim: int = 192
    layers: int = 6
    heads: int = 3
    patch: int = 8
    side: int = 96
    batch: int = 64
    steps: int = 5000
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.03
    cooldown: float = 0.3
    momentum: float = 0.996
    affinity: float = 1.0
    region: float = 0.1
    picture: float = 0.05
    figure_weight: float = 12.0
    figure_slope: float = 0.0
    temperature: float = 0.2
    crop: tuple[float, float] = (0.35, 1.0)
    strength: float = 0.7
    collage: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that nothing can be trained with."""
        for field in fields(self):
            if field.name != "crop":
                _check_number(field.name, getattr(self, field.name), whole=field.type is int)
        match self.crop:
            case [float() | int() as low, float() | int() as high] if 0 < low <= high <= 1:
                pass
            case _:
                raise DataError(f"crop = {self.crop}: expected two shares, 0 < low <= high <= 1")
        if self.dim % 4 or self.dim % self.heads:
            raise DataError(f"dim = {self.dim}: expected a multiple of 4 and of {self.heads} heads")

    def rate(self, step: int) -> float:
        """Learning rate of a step: a linear rise, a plain, a linear fall to zero."""
        rise = (step + 1) / max(1, round(self.warmup * self.steps))
        fall = (self.steps - step) / max(1, round(self.cooldown * self.steps))
        return self.learning_rate * min(1.0, rise, fall)


def _check_number(name: str, value: Any, *, whole: bool) -> None:
    """Refuse a setting that is no number, or a negative one."""
    kind = "whole number" if whole else "number"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise DataError(f"{name} = {value!r}: expected a {kind}")
    if value < 0 or (name in POSITIVE and value == 0):
        least = "above 0" if name in POSITIVE else "from 0"
        raise DataError(f"{name} = {value}: expected a {kind} {least}")


def read_settings(path: Path) -> dict[str, Any]:
    """Read the table ``[pretrain]`` of a TOML file.

    Raises
    ------
    DataError
        If the file cannot be read, lacks the table, or names a setting that does not exist or a
        value that it cannot take.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("pretrain")
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the settings {path}: {error}") from error
    if not isinstance(table, dict):
        raise DataError(f"{path}: expected a table [pretrain]")
    known = {f.name for f in fields(PretrainSettings)}
    unknown = sorted(set(table) - known)
    if unknown:
        raise DataError(f"{path}: no setting {unknown[0]!r}; there are {', '.join(sorted(known))}")
    if isinstance(table.get("crop"), list):
        table["crop"] = tuple(table["crop"])
    try:
        PretrainSettings(**table)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return table
