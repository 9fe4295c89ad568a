"""The command line: parses, calls the model, prints. Nothing heavy is imported before it runs."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from acseg.errors import AcsegError

if TYPE_CHECKING:
    from acseg.collection import Outcome
    from acseg.evaluation.results import ImageResult, SetResult

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Find the classes in a collection of photographs without labels, and draw them.\n\n"
        "First:  acseg demo   |   acseg segment photos/ -o out/   |   "
        "acseg fit photos/ -o run/ && acseg predict run/ photos/ -o out/"
    ),
)

data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data", help="Look at labelled data sets.")

Inputs = Annotated[list[str], typer.Argument(help="Files, folders (walked) or globs.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]
Precision = Annotated[
    str, typer.Option(help="auto (bfloat16 where it is fast), float32 or bfloat16.")
]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exit 0 all done, 1 some inputs failed, 2 wrong usage."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        app(args=arguments, standalone_mode=True)
    except (AcsegError, OSError) as error:  # OSError: a full disk, a folder without permission
        typer.echo(f"acseg: {error}", err=True)
        sys.exit(2)


@app.callback()
def setup(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what is chosen.")] = False,
) -> None:
    """Set up the log."""
    logging.getLogger("acseg").setLevel(logging.INFO if verbose else logging.WARNING)


@app.command(epilog="Example:  acseg demo -o demo-out")
def demo(out: Out = Path("demo-out"), device: Device = "auto") -> None:
    """Segment the sample photographs that come with scikit-image and scikit-learn."""
    from acseg.demo import sample_photographs

    samples = [str(path) for path in sample_photographs()]
    _segment(samples, out, None, device, "auto", "Sample photographs")


@app.command(epilog="Example:  acseg segment photos/ -o out/")
def segment(
    inputs: Inputs,
    out: Out,
    model: Annotated[
        Path | None, typer.Option(help="A RUN that fit wrote. Default: the bundled model.")
    ] = None,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Find the concepts of each picture, for each on its own."""
    _segment(inputs, out, model, device, precision, "Concepts")


def _segment(
    inputs: list[str], out: Path, run: Path | None, device: str, precision: str, title: str
) -> None:
    from acseg.collection import run_collection
    from acseg.model import ACSeg
    from acseg.progress import progress_bar

    model = ACSeg.load(run, device=device, precision=precision)
    with progress_bar() as bar:
        outcome = run_collection(model, inputs, out, title=title, progress=bar)
    _tell(outcome, f"{_count(outcome.written, 'picture')}, {outcome.concepts:.1f} concepts each")


@app.command(epilog="Example:  acseg fit photos/ -o run/ --classes 8")
def fit(
    inputs: Inputs,
    out: Annotated[Path, typer.Option("-o", "--out", help="RUN folder to write.")],
    backbone: Annotated[
        str, typer.Option(help="bundled, a folder, or a Hugging Face name (see backbones).")
    ] = "bundled",
    classes: Annotated[
        str, typer.Option(help="Classes, background included: auto, or 2 to 254; try 5 to 30.")
    ] = "auto",
    concepts: Annotated[
        int, typer.Option(help="Most concepts in one picture; 3 to 10. More: finer parts.")
    ] = 5,
    merge: Annotated[
        float | None,
        typer.Option(help="Mean affinity above which two concepts become one; 0.3 to 1 (never)."),
    ] = None,
    steps: Annotated[int, typer.Option(help="Training steps; 1000 to 10000.")] = 2500,
    batch: Annotated[int, typer.Option(help="Pictures a step; 16 to 64.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="Highest rate; 1e-4 to 1e-3.")] = 5e-4,
    side: Annotated[
        int | None, typer.Option(help="Short side in px for the backbone; 160 to 640. More: finer.")
    ] = None,
    stride: Annotated[
        int | None, typer.Option(help="Step between patches, a divisor of the patch. Less: finer.")
    ] = None,
    block: Annotated[
        int | None, typer.Option(help="Block whose tokens are the pixels. Default: the family's.")
    ] = None,
    foreground: Annotated[
        str, typer.Option(help="Background by attention: sum (paper), mean, or none (no such).")
    ] = "sum",
    descriptor: Annotated[
        str,
        typer.Option(help="crop (paper), crop-inside, masked-crop, mean-token, concept-vector."),
    ] = "crop",
    seed: Annotated[int, typer.Option(help="The same seed gives the same RUN.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Start anew if RUN is there.")] = False,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Train the generator on your pictures and discover their classes."""
    import shutil

    from acseg.model import ACSeg
    from acseg.progress import progress_bar
    from acseg.training.fit import fit_collection

    if (out / "config.json").exists() and not overwrite:
        raise typer.BadParameter(f"{out} is a finished RUN already; --overwrite starts anew")
    model = ACSeg(
        backbone,
        classes=classes if classes == "auto" else _whole(classes, "--classes"),
        concepts=concepts,
        merge=merge,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        side=side,
        stride=stride,
        block=block,
        foreground=foreground,
        descriptor=descriptor,
        seed=seed,
        device=device,
        precision=precision,
    )
    _ = model.backbone  # what cannot be loaded is said before anything is deleted
    if overwrite and out.exists():
        _only_a_run(out)
        shutil.rmtree(out)
    with progress_bar() as bar:
        fit_collection(model, inputs, out, progress=bar)
    typer.echo(f"{len(model.class_ids)} classes; the RUN is {out}")
    _name_failed(model.failed_)


@app.command(epilog="Example:  acseg predict run/ photos/ -o out/")
def predict(
    run: Annotated[Path, typer.Argument(help="A RUN that fit wrote.")],
    inputs: Inputs,
    out: Out,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Find the classes of each picture; the same class id means the same thing in all."""
    from acseg.collection import run_collection
    from acseg.errors import RunError
    from acseg.model import ACSeg
    from acseg.progress import progress_bar

    model = ACSeg.load(run, device=device, precision=precision)
    if model.centres_ is None:
        raise RunError(f"{run} holds a generator but no classes; `acseg fit` finds them")
    with progress_bar() as bar:
        outcome = run_collection(model, inputs, out, kind="classes", title="Classes", progress=bar)
    _tell(outcome, f"{_count(outcome.written, 'picture')}, {len(model.class_ids)} classes")


@app.command(
    epilog="Examples:  acseg evaluate --labels out/labels --masks masks/   |   "
    "acseg evaluate run/ --dataset camvid-11 --root CamVid/"
)
def evaluate(
    run: Annotated[
        Path | None, typer.Argument(help="A RUN to score on a data set, with --dataset.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="voc, coco-stuff-27, camvid-11, folder, ...")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
    split: Annotated[str | None, typer.Option(help="Part of the data set, such as val.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Instead of a RUN: folder of label maps (OUT/labels).")
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="With --labels: index PNGs with the same names.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="collection (P1), overcluster (P2) or image (P3).")
    ] = "collection",
    match: Annotated[
        Literal["pixels", "iou"], typer.Option(help="Hungarian matching on pixels or on iou.")
    ] = "pixels",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    device: Device = "auto",
) -> None:
    """Score label maps against masks, or a RUN on a data set, under one named protocol."""
    if labels and masks and not (run or dataset or root or split):
        from acseg.evaluation.folder import evaluate_folders

        result = evaluate_folders(labels, masks, protocol, match=match)
    elif run and dataset and root and not (labels or masks):
        result = _evaluate_run(run, dataset, root, split, protocol, match, device)
    else:
        raise typer.BadParameter("takes --labels and --masks, or RUN with --dataset and --root")
    typer.echo(result.to_json() if as_json else result.table())
    _name_failed([(f.path, f.reason) for f in result.failed])


def _evaluate_run(
    run: Path,
    dataset: str,
    root: Path,
    split: str | None,
    protocol: str,
    match: Literal["pixels", "iou"],
    device: str,
) -> "SetResult | ImageResult":
    from acseg.evaluation.datasets import open_dataset
    from acseg.evaluation.predicted import evaluate_predictions
    from acseg.model import ACSeg
    from acseg.progress import progress_bar

    data = open_dataset(dataset, root, split)
    model = ACSeg.load(run, device=device)
    draw = model.segment if protocol == "image" else model.predict
    with progress_bar() as bar:
        return evaluate_predictions(
            data,
            lambda picture: draw(picture).labels,
            protocol,
            match=match,
            progress=lambda done, of: bar("scoring", done, of),
        )


@data_app.command("check", epilog="Example:  acseg data check voc --root VOCdevkit/")
def check_data(
    name: Annotated[str, typer.Argument(help="Name of a data set; any other word lists them.")],
    root: Annotated[Path, typer.Option(help="Its folder, or one above it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say what of a data set is found, what is missing, and where it comes from."""
    import json

    from acseg.evaluation.datasets import check_dataset

    check = check_dataset(name, root)
    typer.echo(json.dumps(check.to_dict(), indent=1) if as_json else check.table())
    if not check.complete:
        raise typer.Exit(1)


@app.command(epilog="Example:  acseg backbones")
def backbones(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the backbones known by name, and the card of the bundled one."""
    import dataclasses
    import json

    from acseg.backbone.listing import backbones as known

    rows = [dataclasses.asdict(row) for row in known()]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    typer.echo(_table(rows))
    card = Path(__file__).parent / "bundled" / "README.md"
    if card.exists():
        typer.echo("\n" + card.read_text(encoding="utf-8").rstrip())


@app.command(epilog="Example:  acseg report out/")
def report(
    out: Annotated[Path, typer.Argument(help="Folder that segment or predict wrote.")],
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "What was found",
) -> None:
    """Write OUT/index.html anew from what lies in OUT."""
    from acseg.progress import progress_bar
    from acseg.report.html import write_report

    with progress_bar() as bar:
        path = write_report(
            out, title=title, progress=lambda done, of: bar("writing the report", done, of)
        )
    typer.echo(f"the report is {path}")


@app.command(epilog="Example:  acseg pretrain photos/ -o backbone/ --steps 5000")
def pretrain(
    inputs: Inputs,
    out: Annotated[Path, typer.Option("-o", "--out", help="Hugging Face folder to write.")],
    settings: Annotated[
        Path | None, typer.Option(help="TOML file with a table [pretrain], as in recipes/.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Continue from this ViT: bundled or a folder.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps; 1000 to 100000.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights and views.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that find regions.")] = 2,
    probe: Annotated[
        list[Path] | None,
        typer.Option(help="Folder with images/ and masks/ to score at each checkpoint; repeat."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Pre-train a backbone without labels on your own pictures."""
    from acseg.pretraining.run import pretrain_collection
    from acseg.progress import progress_bar

    with progress_bar() as bar:
        failed = pretrain_collection(
            inputs,
            out,
            settings=settings,
            start=start,
            changes={"steps": steps, "seed": seed},
            workers=workers,
            probes=probe or [],
            device=device,
            progress=bar,
        )
    typer.echo(f"the backbone is {out}; use it with --backbone {out}")
    _name_failed(failed)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _tell(outcome: "Outcome", what: str) -> None:
    """Say what was done; name what failed and exit 1 if anything did."""
    typer.echo(what)
    typer.echo(f"the report is {outcome.report}")
    _name_failed(outcome.failed)


def _name_failed(failed: Sequence[tuple[str, str]]) -> None:
    if not failed:
        return
    for path, reason in failed:
        typer.echo(f"failed: {path}: {reason}", err=True)
    raise typer.Exit(1)


def _only_a_run(folder: Path) -> None:
    """Refuse to delete a folder that holds other things than a RUN."""
    known = {"config.json", "generator.safetensors", "classes.safetensors", "classes.json"}
    known |= {"training.jsonl", "failed.jsonl", "state"}
    other = sorted(p.name for p in folder.iterdir() if p.name not in known)
    if other:
        raise typer.BadParameter(f"{folder} holds {other[0]}, which no RUN does; not overwritten")


def _whole(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{option} takes auto or a whole number, not {text!r}") from None


def _table(rows: list[dict[str, Any]]) -> str:
    """Lay out rows in columns."""
    names = list(rows[0])
    cells = [names] + [["" if row[n] is None else str(row[n]) for n in names] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )
