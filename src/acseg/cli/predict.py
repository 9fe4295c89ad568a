"""acseg predict."""

from acseg.cli.options import (
    Device,
    Inputs,
    Json,
    ModelFolder,
    Out,
    Overlays,
    Overwrite,
    Ray,
    Tile,
    app,
    machine,
    pass_over,
    reading_parameters,
)
from acseg.cli.say import count, tell


@app.command(epilog="Example:  acseg predict model/ photos/ -o out/")
def predict(
    folder: ModelFolder,
    inputs: Inputs,
    out: Out,
    tile: Tile = None,
    overlays: Overlays = True,
    overwrite: Overwrite = False,
    as_json: Json = False,
    device: Device = "auto",
    ray: Ray = None,
) -> None:
    """Draw the classes of each picture; the same class id means the same thing in all.

    Repeated, it does only what is new or changed, and resumes where it was killed.
    """
    from acseg.errors import ModelError
    from acseg.model import ACSeg
    from acseg.model.folder import read_settings
    from acseg.progress import progress_bar

    read_settings(folder)  # a folder that is no model is said before a backbone is loaded
    parameters = {**machine(device), **reading_parameters(None, None, tile)}
    model = ACSeg.from_pretrained(folder, **parameters)
    if model.centres_ is None:
        raise ModelError(f"{folder} holds no classes; `acseg fit` finds them")
    with progress_bar() as bar:
        outcome = pass_over(
            model,
            inputs,
            out,
            ray,
            kind="classes",
            title="Classes",
            overlays=overlays,
            overwrite=overwrite,
            progress=bar,
        )
    what = f"{count(outcome.written, 'picture')}, {len(model.class_ids)} classes"
    tell(outcome, what, as_json=as_json, classes=len(model.class_ids))
