"""acseg demo, acseg segment."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from acseg.cli.options import (
    Device,
    Ground,
    Json,
    Merge,
    Out,
    Overlays,
    Overwrite,
    Precision,
    Preview,
    Ray,
    Runtime,
    app,
)
from acseg.cli.reading import Bands, Stretch, Tile, read_as, reading_settings
from acseg.cli.report import show_preview
from acseg.cli.say import count, tell
from acseg.cli.spread import pass_over


@app.command(epilog="Example:  acseg demo -o demo-out")
def demo(out: Out = Path("demo-out"), device: Device = "auto") -> None:
    """Segment the sample photographs that come with scikit-image and scikit-learn."""
    from acseg.demo import sample_photographs

    samples = [str(path) for path in sample_photographs()]
    _segment(samples, out, None, {"device": device}, "Sample photographs", {})


@app.command(
    epilog="Examples:  acseg segment photos/ -o out/  |  "
    "curl URL | acseg segment - > labels.png  |  acseg segment photo.jpg -o - > labels.png"
)
def segment(
    inputs: Annotated[
        list[str],
        typer.Argument(help="Files, folders (walked) or globs; - alone reads one from stdin."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="Folder to write. - writes the label PNG of one picture to stdout, which is "
            "what INPUT - does if -o is left out; INPUT - also takes a name ending in .png.",
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A RUN that fit wrote. Default: the bundled model.")
    ] = None,
    merge: Merge = None,
    ground: Ground = None,
    bands: Bands = None,
    stretch: Stretch = None,
    tile: Tile = None,
    overlays: Overlays = True,
    overwrite: Overwrite = False,
    preview: Preview = False,
    as_json: Json = False,
    device: Device = "auto",
    precision: Precision = "auto",
    runtime: Runtime = "auto",
    ray: Ray = None,
) -> None:
    """Find the concepts of each picture, for each on its own.

    Killed or not, the same command again does only what is not done yet, and what changed.
    """
    how = reading_settings(bands, stretch, tile)
    if merge is not None:
        how |= {"merge": merge, "ground": ground}
    elif ground is not None:
        how["ground"] = ground
    where = {"device": device, "precision": precision, "runtime": runtime}
    if "-" in inputs or str(out) == "-":
        _segment_one(inputs, out, model, where, how)
        return
    if out is None:
        raise typer.BadParameter("Missing option '-o' / '--out'.")
    more = {"overlays": overlays, "overwrite": overwrite, "ray": ray}
    _segment(inputs, out, model, where, "Concepts", how, preview=preview, as_json=as_json, **more)


def _segment(
    inputs: list[str],
    out: Path,
    run: Path | None,
    where: dict[str, str],
    title: str,
    how: dict[str, Any],
    *,
    preview: bool = False,
    as_json: bool = False,
    **more: Any,
) -> None:
    from acseg.model import ACSeg
    from acseg.progress import progress_bar

    model = ACSeg.load(run, **where)
    read_as(model, how)
    with progress_bar() as bar:
        outcome = pass_over(model, inputs, out, title=title, progress=bar, **more)
    show_preview(out, preview and not as_json)
    what = f"{count(outcome.written, 'picture')}, {outcome.concepts:.1f} concepts each"
    tell(outcome, what, as_json=as_json, concepts=round(outcome.concepts, 3))


def _segment_one(
    inputs: list[str],
    out: Path | None,
    run: Path | None,
    where: dict[str, str],
    how: dict[str, Any],
) -> None:
    """Read one picture, from stdin if it is -, and write its label PNG and nothing else."""
    if len(inputs) > 1:
        raise typer.BadParameter("- stands for one picture; give it alone")
    if "tile" in how:
        raise typer.BadParameter("--tile is for what goes into a folder; give -o OUT")
    to_stdout = out is None or str(out) == "-"
    if out is not None and not to_stdout and out.suffix.lower() != ".png":
        raise typer.BadParameter(f"INPUT - takes -o - or a name ending in .png, not {out}")
    if to_stdout and sys.stdout.isatty():
        raise typer.BadParameter("the labels are a PNG; send them to a file: > labels.png")
    from acseg.errors import ImageError
    from acseg.images.read import read_image
    from acseg.model import ACSeg
    from acseg.output.label_png import encode_labels

    model = ACSeg.load(run, **where)
    read_as(model, how)
    reading = model.settings.reading
    try:
        if inputs == ["-"]:
            if sys.stdin.isatty():
                raise typer.BadParameter("- reads stdin; send a picture to it: < photo.jpg")
            image = read_image(sys.stdin.buffer.read(), name="standard input", reading=reading)
        else:
            image = read_image(inputs[0], reading=reading)
    except ImageError as error:
        typer.echo(f"failed: {error}", err=True)
        raise typer.Exit(1) from None
    read_as(model, {"bands": None, "stretch": None})  # that is done
    found = model.segment(image)
    if out is not None and not to_stdout:
        found.save(out)
        return
    sys.stdout.buffer.write(encode_labels(found.labels, found.palette))
    sys.stdout.buffer.flush()
