"""acseg demo, acseg segment."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acseg.cli.options import (
    Bands,
    Device,
    Granularity,
    Json,
    Out,
    Overlays,
    Overwrite,
    Ray,
    Stretch,
    Tile,
    app,
    machine,
    pass_over,
    reading_parameters,
    say_backbone,
)
from acseg.cli.say import count, tell

if TYPE_CHECKING:
    from acseg.model import ACSeg


@app.command(epilog="Example:  acseg demo -o demo-out")
def demo(out: Out = Path("demo-out"), device: Device = "auto") -> None:
    """Segment the sample photographs that come with scikit-image and scikit-learn."""
    from acseg.demo import sample_photographs
    from acseg.model import ACSeg

    say_backbone("auto")
    samples = [str(path) for path in sample_photographs()]
    _segment(ACSeg(**machine(device)), samples, out, title="Sample photographs")


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
            help="Output folder to write. - writes the label PNG of one picture to stdout; so "
            "does INPUT - without -o. INPUT - also takes a name ending in .png.",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="Folder that fit wrote, or a backbone: dinov2-small, bundled, a folder, a "
            "Hugging Face name. Default: the best that is at hand."
        ),
    ] = "auto",
    granularity: Granularity = None,
    bands: Bands = None,
    stretch: Stretch = None,
    tile: Tile = None,
    overlays: Overlays = True,
    overwrite: Overwrite = False,
    as_json: Json = False,
    device: Device = "auto",
    ray: Ray = None,
) -> None:
    """Find the concepts of each picture, each picture for itself.

    Repeated, it does only what is new or changed, and resumes where it was killed.
    """
    from acseg.model import ACSeg

    parameters = {**machine(device), **reading_parameters(bands, stretch, tile)}
    if granularity is not None:
        parameters["granularity"] = granularity
    one = "-" in inputs or str(out) == "-"
    if out is None and not one:
        raise typer.BadParameter("Missing option '-o' / '--out'.")
    if one:
        _check_one(inputs, out, tile)
    say_backbone(model)
    loaded = ACSeg.from_pretrained(model, **parameters)
    if one:
        _segment_one(loaded, inputs[0], out)
        return
    assert out is not None  # noqa: S101
    more = {"overlays": overlays, "overwrite": overwrite}
    _segment(loaded, inputs, out, title="Concepts", ray=ray, as_json=as_json, **more)


def _segment(
    model: "ACSeg",
    inputs: list[str],
    out: Path,
    *,
    ray: str | None = None,
    as_json: bool = False,
    **more: Any,
) -> None:
    from acseg.progress import progress_bar

    with progress_bar() as bar:
        outcome = pass_over(model, inputs, out, ray, progress=bar, **more)
    what = f"{count(outcome.written, 'picture')}, {outcome.concepts:.1f} concepts each"
    tell(outcome, what, as_json=as_json, concepts=round(outcome.concepts, 3))


def _check_one(inputs: list[str], out: Path | None, tile: str | None) -> None:
    if len(inputs) > 1:
        raise typer.BadParameter("- stands for one picture; give it alone")
    if tile is not None:
        raise typer.BadParameter("--tile is for what goes into a folder; give -o OUT")
    to_stdout = out is None or str(out) == "-"
    if out is not None and not to_stdout and out.suffix.lower() != ".png":
        raise typer.BadParameter(f"INPUT - takes -o - or a name ending in .png, not {out}")
    if to_stdout and sys.stdout.isatty():
        raise typer.BadParameter("the labels are a PNG; send them to a file: > labels.png")
    if inputs == ["-"] and sys.stdin.isatty():
        raise typer.BadParameter("- reads stdin; send a picture to it: < photo.jpg")


def _segment_one(model: "ACSeg", source: str, out: Path | None) -> None:
    """Read one picture, from stdin if it is -, and write its label PNG and nothing else."""
    from acseg.errors import ImageError
    from acseg.images.read import read_image
    from acseg.output.label_png import encode_labels

    reading = model.settings.encoding.reading
    try:
        if source == "-":
            image = read_image(sys.stdin.buffer.read(), name="standard input", reading=reading)
        else:
            image = read_image(source, reading=reading)
    except ImageError as error:
        typer.echo(f"failed: {error}", err=True)
        raise typer.Exit(1) from None
    draw = model.segment_later
    found = model._batch([image], draw)[0]
    if out is not None and str(out) != "-":
        found.save(out)
        return
    sys.stdout.buffer.write(encode_labels(found.labels, found.palette))
    sys.stdout.buffer.flush()
