"""acseg predict."""

from pathlib import Path
from typing import Annotated

import typer

from acseg.cli.options import Device, Inputs, Out, Precision, Runtime, app
from acseg.cli.reading import Bands, Stretch, Tile, read_as, reading_settings
from acseg.cli.say import count, tell


@app.command(epilog="Example:  acseg predict run/ photos/ -o out/")
def predict(
    run: Annotated[Path, typer.Argument(help="A RUN that fit wrote.")],
    inputs: Inputs,
    out: Out,
    bands: Bands = None,
    stretch: Stretch = None,
    tile: Tile = None,
    device: Device = "auto",
    precision: Precision = "auto",
    runtime: Runtime = "auto",
) -> None:
    """Find the classes of each picture; the same class id means the same thing in all."""
    from acseg.collection import run_collection
    from acseg.errors import RunError
    from acseg.model import ACSeg
    from acseg.progress import progress_bar

    model = ACSeg.load(run, device=device, precision=precision, runtime=runtime)
    read_as(model, reading_settings(bands, stretch, tile))
    if model.centres_ is None:
        raise RunError(f"{run} holds a generator but no classes; `acseg fit` finds them")
    with progress_bar() as bar:
        outcome = run_collection(model, inputs, out, kind="classes", title="Classes", progress=bar)
    tell(outcome, f"{count(outcome.written, 'picture')}, {len(model.class_ids)} classes")
