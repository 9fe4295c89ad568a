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

BETWEEN = "; "  # a method and a protocol, in the name of the row that they make
LISTS = ("methods", "protocols", "rows")
SAID = ("name", "expected", "spread", "source")  # fields of a row that change no figure


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
    rounds, merge, ground : int or None, float or None, float or None
        As in `Settings`, of "acg": 0 rounds and a merge of 1 are the paper.
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
    rounds: int | None = None
    merge: float | None = None
    ground: float | None = None
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

    def measured(self) -> tuple[tuple[str, Any], ...]:
        """Give what the figures of the row depend on: not its name, nor what was published."""
        return tuple((f.name, getattr(self, f.name)) for f in fields(self) if f.name not in SAID)


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

    Many methods under many protocols are two short lists: each of [[methods]] with each of
    [[protocols]] makes a row named "METHOD; PROTOCOL", before those of [[rows]]. Both hold fields
    of a row, too::

        [[methods]]
        name = "k-means, k = 5"
        method = "kmeans"
        [[protocols]]
        name = "1-NN"
        classify = "retrieval"

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
    _known(found, ("title", "table", "cost", "data", "settings", *LISTS), "the recipe")
    data = found.get("data")
    if not isinstance(data, dict) or data.get("name") not in DATASETS:
        raise DataError(f"[data] needs a name, one of {', '.join(DATASETS)}")
    _known(data, ("name", "fit", "score", "crop"), "[data]")
    if data.get("crop") not in (None, *CROPS):
        raise DataError(f"crop {data['crop']!r} is unknown; take one of {', '.join(CROPS)}")
    shared = found.get("settings", {})
    if not isinstance(shared, dict):
        raise DataError("expected a table [settings]")
    _known(shared, [f.name for f in fields(Row)], "a row")
    return Recipe(
        title=str(found.get("title", "")),
        table=str(found.get("table", "")),
        cost=str(found.get("cost", "")),
        data=data["name"],
        fit=data.get("fit"),
        score=data.get("score"),
        crop=data.get("crop"),
        rows=tuple(Row(**(shared | row)) for row in _rows(found)),
    )


def _rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """List the rows: each method under each protocol, then those that are written out."""
    for kind in LISTS:
        tables = found.get(kind, [])
        if not isinstance(tables, list):
            raise DataError(f"expected [[{kind}]] with two brackets")
        for table in tables:
            _known(table, [f.name for f in fields(Row)], "a row")
            if "name" not in table:
                raise DataError(f"each of [[{kind}]] needs a name")
    methods, protocols = found.get("methods", []), found.get("protocols", [])
    if bool(methods) != bool(protocols):
        raise DataError("[[methods]] and [[protocols]] go together")
    rows = [
        method | protocol | {"name": f"{method['name']}{BETWEEN}{protocol['name']}"}
        for protocol in protocols
        for method in methods
    ]
    rows += found.get("rows", [])
    if not rows:
        raise DataError("expected at least one of [[rows]], or [[methods]] and [[protocols]]")
    names = [row["name"] for row in rows]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"two rows are called {twice[0]!r}")
    return rows


def _known(table: dict[str, Any], names: Any, where: str) -> None:
    unknown = sorted(set(table) - set(names))
    if unknown:
        raise DataError(f"{where} has no {unknown[0]!r}; there are {', '.join(names)}")
