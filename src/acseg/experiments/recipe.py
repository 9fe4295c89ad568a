"""Recipes: what an experiment runs and what it should score, as one TOML file."""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from acseg.errors import DataError
from acseg.evaluation.baselines import BASELINES
from acseg.evaluation.datasets import DATASETS
from acseg.evaluation.datasets.crops import CROPS
from acseg.evaluation.protocols import PROTOCOLS
from acseg.experiments.objectives import OBJECTIVES
from acseg.settings import DESCRIPTORS, FOREGROUNDS

METHODS = ("acg", "pixels", *BASELINES)
CLASSIFIERS = ("clusters", "retrieval", "text", "linear", "none")
REFINEMENTS = ("none", "guided", "pamr")
FIGURES = ("mIoU", "pixel accuracy", "covering", "images/s", "concepts")
CHOICES = {
    "method": METHODS,
    "classify": CLASSIFIERS,
    "refine": REFINEMENTS,
    "figure": FIGURES,
    "protocol": PROTOCOLS,
    "match": ("pixels", "iou"),
    "descriptor": DESCRIPTORS,
    "foreground": FOREGROUNDS,
    "upsample": ("scores", "labels"),
    "objective": tuple(OBJECTIVES),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table: a method with all it depends on, and the number it is to reach.

    Attributes
    ----------
    name : str
    backbone : str
        "bundled", a folder, or a Hugging Face name.
    side, stride, block : int or None
        As in `acseg.settings.Settings`.
    method : str
        How the pixels of a picture become regions: "acg", or a per-image clustering of
        `acseg.evaluation.baselines`. "pixels" has no regions: k-means over the pixels of the
        whole collection.
    k : int
        Prototypes, or clusters of a picture.
    merge : float or None
        As in `Settings`; 1 never.
    steps, batch, learning_rate, self_affinity
        Of the generator's training.
    objective : str
        What it is trained for: "modularity", or one of `acseg.experiments.objectives`.
    classify : str
        How regions become classes: "clusters" (k-means, no labels), "retrieval" (k-NN among
        labelled regions), "text", "linear"; "none" with the protocol "image".
    classes : int or None
        Clusters, the background included; None is the number of classes of the data set.
    neighbours : int
        Of retrieval; 1 and 5 in the paper.
    text_model : str or None
        A CLIP or SigLIP folder or name, for "text".
    descriptor, foreground : str
        As in `Settings`. Retrieval, text and linear do without background by attention.
    protocol, match : str
        "collection" (P1), "overcluster" (P2) or "image" (P3); what the Hungarian match counts.
        Retrieval, text and linear know the classes, so that nothing is matched.
    upsample : "scores" or "labels"
        Whether scores are brought to full size before the largest is taken, or after.
    flip : bool
        Average the pixels of a picture and of its mirror image.
    refine : "none", "guided" or "pamr"
        Draw the scores to the picture's edges.
    figure : str
        Which figure `expected` is.
    expected, spread : float or None
        What was published, in per cent (images a second for that figure), with its spread.
    source : str
        Who published it.
    """

    name: str
    backbone: str = "bundled"
    side: int | None = None
    stride: int | None = None
    block: int | None = None
    method: str = "acg"
    k: int = 5
    merge: float | None = None
    steps: int = 2500
    batch: int = 32
    learning_rate: float = 5e-4
    self_affinity: bool = True
    objective: str = "modularity"
    classify: str = "clusters"
    classes: int | None = None
    neighbours: int = 1
    text_model: str | None = None
    descriptor: str = "crop"
    foreground: str = "sum"
    protocol: str = "collection"
    match: str = "pixels"
    upsample: str = "scores"
    flip: bool = False
    refine: str = "none"
    figure: str = "mIoU"
    expected: float | None = None
    spread: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise DataError(
                    f"{name} = {getattr(self, name)!r}: expected one of {', '.join(known)}"
                )
        for name in ("k", "steps", "batch", "neighbours"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise DataError(f"{name} = {getattr(self, name)!r}: expected a whole number from 1")
        if (self.classify == "none") != (self.protocol == "image"):
            raise DataError('the protocol "image" goes with classify = "none", and only with it')
        if self.method == "pixels" and self.classify != "clusters":
            raise DataError('method "pixels" has no regions: it goes with classify = "clusters"')
        if self.classify == "text" and not self.text_model:
            raise DataError('classify = "text" needs text_model, a CLIP or SigLIP folder or name')


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """An experiment: its data, its rows, what it costs.

    Attributes
    ----------
    title, table, cost : str
        What it is, which published table it repeats, and what it takes, for people.
    data : str
        Name of a data set.
    fit, score : str or None
        The split that generator and classes are fitted on, and the one that is scored. None is
        the default of the data set.
    crop : str or None
        Crop rule of the scored pictures.
    rows : tuple of Row
    """

    title: str
    data: str
    table: str = ""
    cost: str = ""
    fit: str | None = None
    score: str | None = None
    crop: str | None = None
    rows: tuple[Row, ...] = field(default_factory=tuple)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    ::

        title = "..."
        [data]
        name = "voc"
        fit = "train_aug"
        score = "val"
        [settings]            # of all rows
        backbone = "facebook/dino-vits8"
        [[rows]]              # each with what differs
        name = "ACG, k = 5"
        expected = 47.1

    Raises
    ------
    DataError
        Naming the file and what in it is unknown or missing.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the recipe {path}: {error}") from error
    try:
        return _recipe(found)
    except (DataError, TypeError) as error:
        raise DataError(f"{path}: {error}") from error


def _recipe(found: dict[str, Any]) -> Recipe:
    _known(found, ("title", "table", "cost", "data", "settings", "rows"), "the recipe")
    data = found.get("data")
    if not isinstance(data, dict) or data.get("name") not in DATASETS:
        raise DataError(f"[data] needs a name, one of {', '.join(DATASETS)}")
    _known(data, ("name", "fit", "score", "crop"), "[data]")
    if data.get("crop") not in (None, *CROPS):
        raise DataError(f"crop {data['crop']!r} is unknown; take one of {', '.join(CROPS)}")
    shared, rows = found.get("settings", {}), found.get("rows", [])
    if not isinstance(shared, dict) or not isinstance(rows, list) or not rows:
        raise DataError("expected a table [settings] and at least one [[rows]]")
    names = [f.name for f in fields(Row)]
    for row in (shared, *rows):
        _known(row, names, "a row")
    if any("name" not in row for row in rows):
        raise DataError("each of [[rows]] needs a name")
    return Recipe(
        title=str(found.get("title", "")),
        table=str(found.get("table", "")),
        cost=str(found.get("cost", "")),
        data=data["name"],
        fit=data.get("fit"),
        score=data.get("score"),
        crop=data.get("crop"),
        rows=tuple(Row(**(shared | row)) for row in rows),
    )


def _known(table: dict[str, Any], names: Any, where: str) -> None:
    unknown = sorted(set(table) - set(names))
    if unknown:
        raise DataError(f"{where} has no {unknown[0]!r}; there are {', '.join(names)}")
