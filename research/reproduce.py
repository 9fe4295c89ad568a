"""Run a recipe: ``python -m research.reproduce RECIPE --root DIR -o FILE.jsonl [--images N]``.

Tokens are kept beside FILE. Started again, it goes on from FILE; a row that failed is named,
costs the others nothing, and is tried again the next time.

P3 and covering are percentages, ms the processor's time for division and drawing of one picture.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from acseg.evaluation.confusion import confusion
from acseg.evaluation.scores import covering, matched_iou
from research.classes import (
    Described,
    classify_regions,
    cluster_regions,
    cluster_tokens,
    describe,
    scored,
)
from research.datasets import open_dataset
from research.divisions import Divisions
from research.encode import Encoded, Encoder
from research.recipe import Recipe, Row
from research.results import Results
from research.table import table

SEEDS = 3  # of the rows that draw at random


class OfSet:
    """The rows of a recipe on one set."""

    def __init__(self, recipe: Recipe, folder: Path, encoder: Encoder, results: Results) -> None:
        self.recipe, self.folder, self.encoder, self.results = recipe, folder, encoder, results
        self.divisions = Divisions(encoder.pipeline, recipe.backbone)
        self.described: dict[tuple[Row, str], list[Described]] = {}

    def measure(self) -> list[str]:
        """Measure what is not there yet; gives the names of the pictures that are scored."""
        names, failed = [], set()
        rows = {
            row: {one["picture"] for one in self.lines(row)}
            for row in self.recipe.rows
            if row.protocol == "P3"
        }
        for one in self.pictures(self.recipe.score):
            names.append(one.name)
            for row, done in rows.items():
                if one.name not in done and row not in failed and not self.image(row, one):
                    failed.add(row)
        for row in self.recipe.rows:
            if row.protocol != "P3":
                have = {one["seed"] for one in self.lines(row)}
                all(self.whole(row, seed) for seed in self.seeds(row) if seed not in have)
        return names

    def image(self, row: Row, one: Encoded) -> bool:
        """Score a division of one picture by P3; says whether it went well."""
        try:
            features = one.of(row.blocks or self.encoder.default)
            start = time.process_time()
            parts = self.divisions.divide(features, row)
            drawn = parts.draw(one.picture, edges=row.edges)
            ms = 1e3 * (time.process_time() - start)
            matrix = confusion(drawn, one.mask)
            score = {"P3": 100 * matched_iou(matrix), "covering": 100 * covering(matrix)}
            self.add(row, picture=one.name, **score, parts=len(parts), ms=round(ms, 2))
        except Exception as error:  # noqa: BLE001, the other rows count
            return self.fail(row, error)
        return True

    def whole(self, row: Row, seed: int) -> bool:
        """Score a row that sees the whole set; says whether it went well."""
        recipe = self.recipe
        try:
            classes = len(open_dataset("folder", self.folder, recipe.score).classes)
            fit = recipe.fit or recipe.score
            if row.division == "tokens":
                if row.protocol != "P1":
                    raise ValueError("division 'tokens' is for P1")
                some, all_ = self.pictures(fit), self.pictures(recipe.score)
                blocks = row.blocks or self.encoder.default
                matrices = cluster_tokens(some, all_, row, blocks, classes, seed)
            elif row.protocol == "P1":
                regions = self.regions(row, fit), self.regions(row, recipe.score)
                matrices = cluster_regions(*regions, classes, seed)
            else:
                known, asked = self.regions(row, fit), self.regions(row, recipe.score)
                if recipe.fit is None:
                    known, asked = known[::2], asked[1::2]
                matrices = classify_regions(known, asked, row.protocol)
            self.add(row, seed=seed, **scored(matrices, match=row.protocol == "P1"))
        except Exception as error:  # noqa: BLE001, the other rows count
            return self.fail(row, error)
        return True

    def regions(self, row: Row, split: str) -> list[Described]:
        """Give the pictures of a split in regions, divided once for all rows that do it alike."""
        key = replace(row, name="", protocol="P1"), split
        if key not in self.described:
            blocks = row.blocks or self.encoder.default
            found = describe(self.pictures(split), row, blocks, self.divisions)
            self.described[key] = found
        return self.described[key]

    def pictures(self, split: str) -> Iterator[Encoded]:
        """Give the pictures of a split, one after another."""
        dataset = open_dataset("folder", self.folder, split, crop=self.recipe.crop)
        return self.encoder.pictures(dataset, self.recipe.images)

    def seeds(self, row: Row) -> range:
        """Give the seeds of a row: only k-means draws."""
        return range(SEEDS if row.protocol == "P1" else 1)

    def lines(self, row: Row) -> list[dict[str, object]]:
        """Give what is measured of a row already."""
        return self.results.of(self.recipe.key(row), self.folder.name)

    def add(self, row: Row, **line: object) -> None:
        """Keep what was measured."""
        key = self.recipe.key(row)
        self.results.add(row=row.name, key=key, set=self.folder.name, **line)

    def fail(self, row: Row, error: Exception) -> bool:
        """Keep why a row failed."""
        self.add(row, failed=f"{type(error).__name__}: {error}")
        return False


def run(recipe: Recipe, root: Path, out: Path, *, say: Callable[[str], object] = print) -> Results:
    """Measure what FILE lacks, and say the tables."""
    results, pictures = Results(out), {}
    joins = (row.blocks or () for row in recipe.rows)
    encoder = Encoder(recipe.backbone, joins, side=recipe.side, folder=out.parent / "tokens")
    for name in recipe.sets:
        try:
            pictures[name] = OfSet(recipe, root / name, encoder, results).measure()
        except Exception as error:  # noqa: BLE001, the other sets count
            failed = f"{type(error).__name__}: {error}"
            results.add(row="every row", key="", set=name, failed=failed)
    say(table(recipe, results, pictures))
    return results


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line says; 1 where a row failed."""
    parser = argparse.ArgumentParser(prog="python -m research.reproduce")
    parser.add_argument("recipe", type=Path, help="TOML file, such as research/recipes/*.toml")
    parser.add_argument("--root", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("-o", "--out", type=Path, required=True, help="JSON lines; goes on there")
    parser.add_argument("--images", type=int, help="pictures of each set, evenly spaced")
    given = parser.parse_args(arguments)
    recipe = Recipe.read(given.recipe)
    if given.images is not None:
        recipe = replace(recipe, images=given.images)
    return 1 if run(recipe, given.root, given.out).failed else 0


if __name__ == "__main__":
    sys.exit(main())
