"""acseg evaluate, acseg data check."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from acseg.cli.options import Device, Runtime, app
from acseg.cli.say import name_failed

if TYPE_CHECKING:
    from acseg.evaluation.results import ImageResult, SetResult

data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data", help="Look at labelled data sets.")


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
    runtime: Runtime = "auto",
) -> None:
    """Score label maps against masks, or a RUN on a data set, under one named protocol."""
    if labels and masks and not (run or dataset or root or split):
        from acseg.evaluation.folder import evaluate_folders

        result = evaluate_folders(labels, masks, protocol, match=match)
    elif run and dataset and root and not (labels or masks):
        result = _evaluate_run(run, dataset, root, split, protocol, match, device, runtime)
    else:
        raise typer.BadParameter("takes --labels and --masks, or RUN with --dataset and --root")
    typer.echo(result.to_json() if as_json else result.table())
    name_failed([(f.path, f.reason) for f in result.failed])


def _evaluate_run(
    run: Path,
    dataset: str,
    root: Path,
    split: str | None,
    protocol: str,
    match: Literal["pixels", "iou"],
    device: str,
    runtime: str,
) -> "SetResult | ImageResult":
    from acseg.evaluation.datasets import open_dataset
    from acseg.evaluation.predicted import evaluate_predictions
    from acseg.model import ACSeg
    from acseg.progress import progress_bar

    data = open_dataset(dataset, root, split)
    model = ACSeg.load(run, device=device, runtime=runtime)
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
