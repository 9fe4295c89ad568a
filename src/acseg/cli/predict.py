"""acseg predict."""

from pathlib import Path
from typing import Annotated

import typer

from acseg.cli.options import (
    Device,
    Inputs,
    Json,
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


@app.command(epilog="Example:  acseg predict run/ photos/ -o out/")
def predict(
    run: Annotated[Path, typer.Argument(help="A RUN that fit wrote.")],
    inputs: Inputs,
    out: Out,
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
    """Find the classes of each picture; the same class id means the same thing in all.

    Killed or not, the same command again does only what is not done yet, and what changed.
    """
    from acseg.errors import RunError
    from acseg.model import ACSeg
    from acseg.progress import progress_bar

    model = ACSeg.load(run, device=device, precision=precision, runtime=runtime)
    read_as(model, reading_settings(bands, stretch, tile))
    if model.centres_ is None:
        raise RunError(f"{run} holds a generator but no classes; `acseg fit` finds them")
    with progress_bar() as bar:
        outcome = pass_over(
            model,
            inputs,
            out,
            ray=ray,
            kind="classes",
            title="Classes",
            overlays=overlays,
            overwrite=overwrite,
            progress=bar,
        )
    show_preview(out, preview and not as_json)
    what = f"{count(outcome.written, 'picture')}, {len(model.class_ids)} classes"
    tell(outcome, what, as_json=as_json, classes=len(model.class_ids))
