"""A recipe: which divisions are scored how, on which sets, beside what was published."""

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from acseg.errors import DataError

PROTOCOLS = ("P3", "P1", "1-NN", "5-NN", "linear")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table.

    Attributes
    ----------
    name : str
    division : str
        As in `research.divisions`; "tokens" is k-means on the tokens of the collection, P1 only.
    blocks : tuple of int or None
        Whose tokens are joined. None is the product's own.
    edges : bool
        Whether parts follow the photograph's own edges.
    granularity : float
        Of "exact" and "generator".
    protocol : str
        One of `PROTOCOLS`.
    """

    name: str
    division: str = "exact"
    blocks: tuple[int, ...] | None = None
    edges: bool = True
    granularity: float = 0.5
    protocol: str = "P3"

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"protocol {self.protocol!r}: take one of {', '.join(PROTOCOLS)}")
        if self.blocks is not None:
            object.__setattr__(self, "blocks", tuple(self.blocks))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a TOML file says.

    Attributes
    ----------
    title : str
    rows : tuple of Row
    sets : tuple of str
        Folders below the root, each with images/ and masks/.
    backbone : str
    side : int or None
        Short side in pixels for the backbone. None is the product's own.
    images : int
        Pictures of each set, evenly spaced; 0 for all.
    crop : str
        One of `research.datasets.crops.CROPS`.
    fit, score : str or None
        Splits on which classes are fitted and everything is scored. Without `fit`, P1 finds its
        clusters on the pictures that it scores, the others fit on odd and score on even pictures.
    published : tuple of dict
        Figures of others: a name and any values.
    """

    title: str
    rows: tuple[Row, ...]
    sets: tuple[str, ...]
    backbone: str = "dinov2-small"
    side: int | None = None
    images: int = 0
    crop: str = "full"
    fit: str | None = None
    score: str = "all"
    published: tuple[dict[str, Any], ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; DataError names what is wrong in it."""
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
            rows = tuple(Row(**row) for row in values.pop("rows"))
            for name in ("sets", "published"):
                values[name] = tuple(values.get(name, ()))
            recipe = cls(rows=rows, **values)
        except (OSError, ValueError, TypeError, KeyError) as error:
            known = ", ".join(f.name for f in fields(cls))
            raise DataError(f"{path}: {error}; a recipe has {known}") from error
        names = [row.name for row in rows]
        if len(set(names)) < len(names):
            raise DataError(f"{path}: two rows have one name")
        return recipe

    def key(self, row: Row) -> str:
        """Tell results of this row from those of another setting; its name is no part of it."""
        how = asdict(row) | {"backbone": self.backbone, "side": self.side, "crop": self.crop}
        del how["name"]
        if row.protocol != "P3":  # depends on the whole collection
            how |= {"images": self.images, "fit": self.fit, "score": self.score}
        return hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()[:12]
