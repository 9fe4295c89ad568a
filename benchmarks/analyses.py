"""Look behind the paper's claims on a labelled set: figures as PNG and SVG, tables as CSV.

    python benchmarks/analyses.py -o analyses/                       # CamVid beside the checkout
    python benchmarks/analyses.py -o analyses/ --only diversity k    # some of them
    python benchmarks/analyses.py --data folder --root SET --images 32 --steps 200

diversity    number of concepts against the number of classes present, and P3 by that number
k            P3 and the number of concepts over k = 2 .. 10
objective    the modularity against objectives with a fixed number of clusters, and CAUSE's delta
affinity     with and without self-affinity
descriptor   what stands for a region: 1-NN among labelled regions
"""

import argparse
import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from acseg.evaluation.results import ImageResult
from acseg.experiments.analyses import by_classes, diversity
from acseg.experiments.experiment import Experiment
from acseg.experiments.memo import Shared
from acseg.experiments.objectives import OBJECTIVES
from acseg.experiments.recipe import Recipe, Row
from acseg.progress import progress_bar
from acseg.report.plots import draw_lines, save_figure
from acseg.settings import DESCRIPTORS

CAMVID = Path(__file__).resolve().parents[2] / "shared" / "labelled" / "camvid"
Cells = dict[str, Any]


class Analyses:
    """All analyses of one data set with one backbone."""

    def __init__(self, args: argparse.Namespace, bar: Any) -> None:
        self.args = args
        self._bar = bar
        self._shared = Shared()
        self._base = Row(
            name="base",
            backbone=args.backbone,
            k=args.concepts,
            rounds=args.rounds,
            merge=args.merge,
            steps=args.steps,
            learning_rate=args.learning_rate,
            classify="none",
            protocol="image",
            foreground="none",
        )

    def run(self, **changes: Any) -> tuple[Any, dict[str, float]]:
        """Run the base row with some changes, and average its figures over the seeds."""
        row = replace(self._base, **changes)
        recipe = Recipe(title="", data=self.args.data, fit=self.args.fit, rows=(row,))
        found = [
            Experiment(
                recipe,
                row,
                self.args.root,
                seed=seed,
                images=self.args.images,
                shared=self._shared,
                progress=self._bar,
            ).run()
            for seed in self.args.seeds
        ]
        names = found[0][1]
        mean = {n: sum(f[n] for _, f in found) / len(found) for n in names}
        return found[0][0], mean

    def diversity(self) -> list[Cells]:
        """Group the pictures by the classes present, for the ACG and for a fixed k."""
        rows = []
        kinds: dict[str, Cells] = {
            "ACG": {},
            "ACG, as bundled": {"rounds": 10, "merge": 0.4, "ground": 0.44},
            "k-means": {"method": "kmeans"},
        }
        for name, changes in kinds.items():
            result, _ = self.run(**changes)
            assert isinstance(result, ImageResult)
            r = diversity(result.per_image)
            rows += [
                {"method": name, "r": "" if r is None else round(r, 3), **asdict(one)}
                for one in by_classes(result.per_image)
            ]
        return rows

    def k(self) -> list[Cells]:
        """Train and score with other numbers of prototypes."""
        return [{"k": k, **self.run(k=k)[1]} for k in (2, 3, 5, 7, 10)]

    def objective(self) -> list[Cells]:
        """Train for other objectives."""
        return [{"objective": name, **self.run(objective=name)[1]} for name in OBJECTIVES]

    def affinity(self) -> list[Cells]:
        """Count a pixel as its own neighbour, or not."""
        return [{"self_affinity": on, **self.run(self_affinity=on)[1]} for on in (True, False)]

    def descriptor(self) -> list[Cells]:
        """Retrieve the class of each region by other descriptors."""
        changes = {"classify": "retrieval", "protocol": "collection"}
        return [{"descriptor": d, **self.run(descriptor=d, **changes)[1]} for d in DESCRIPTORS]


def write_csv(path: Path, rows: Sequence[Cells]) -> None:
    """Write rows with rounded numbers."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({n: round(v, 4) if isinstance(v, float) else v for n, v in row.items()})


def draw(name: str, rows: Sequence[Cells], out: Path) -> None:
    """Draw an analysis: a line for each method over a number, or bars over kinds."""
    first = next(iter(rows[0]))
    if name == "diversity":
        series = {
            method: [(row["classes"], row["concepts"]) for row in rows if row["method"] == method]
            for method in dict.fromkeys(row["method"] for row in rows)
        }
        figure = draw_lines(series, "classes in a picture", "concepts in a picture")
    else:
        figure = draw_lines(
            {"mIoU": [(row[first], row["mIoU"]) for row in rows]}, first, "mIoU, per cent"
        )
    save_figure(figure, out / name)


def main() -> None:
    """Read the settings, run the analyses, write tables and figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default=Path("analyses"))
    parser.add_argument("--data", default="camvid-11")
    parser.add_argument("--root", type=Path, default=CAMVID)
    parser.add_argument("--fit", default="train", help="split to fit on; 'all' for a folder")
    parser.add_argument("--backbone", default="bundled")
    parser.add_argument("--concepts", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--merge", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--images", type=int, default=0, help="of each split, 0 = all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    names = ("diversity", "k", "objective", "affinity", "descriptor")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with progress_bar() as bar:
        analyses = Analyses(args, bar)
        for name in args.only:
            made: Callable[[], list[Cells]] = getattr(analyses, name)
            rows = made()
            write_csv(args.out / f"{name}.csv", rows)
            draw(name, rows, args.out)
            print(f"\n### {name}\n")
            columns = list(rows[0])
            print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
            for row in rows:
                cells = [f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()]
                print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
