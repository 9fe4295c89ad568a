"""acseg fit."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from acseg.cli.options import (
    Bands,
    Device,
    Granularity,
    Inputs,
    Json,
    Ray,
    Stretch,
    Tile,
    app,
    machine,
    reading_parameters,
    say_backbone,
)
from acseg.cli.say import name_failed, tell_json


@app.command(epilog="Example:  acseg fit photos/ -o model/ --classes 8")
def fit(
    inputs: Inputs,
    out: Annotated[Path, typer.Option("-o", "--out", help="Model folder to write.")],
    classes: Annotated[
        str, typer.Option(help="Classes, background included: auto, or 2 to 254; try 5 to 30.")
    ] = "auto",
    backbone: Annotated[
        str,
        typer.Option(
            help="dinov2-small, bundled, a folder, or a Hugging Face name (see backbones). "
            "Default: the best that is at hand."
        ),
    ] = "auto",
    granularity: Granularity = None,
    foreground: Annotated[
        str,
        typer.Option(
            help="Class 0 as background by attention: auto (only where attention and layout "
            "agree), mean, sum (the paper), or none."
        ),
    ] = "auto",
    steps: Annotated[
        int | None,
        typer.Option(help="Train the paper's generator for so many steps, 500 to 10000."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for all randomness.")] = 0,
    more: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting that is rarely needed, such as side=504 or descriptor=crop; see the "
            "page on settings. May be repeated.",
        ),
    ] = None,
    bands: Bands = None,
    stretch: Stretch = None,
    tile: Tile = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a model that is there.")] = False,
    as_json: Json = False,
    device: Device = "auto",
    ray: Ray = None,
) -> None:
    """Find the classes of your collection.

    With --steps on several GPUs or machines: torchrun --nproc-per-node 2 --no-python acseg fit ...
    """
    from acseg.model import ACSeg
    from acseg.output.lock import locked
    from acseg.progress import progress_bar
    from acseg.training.fit import fit_collection
    from acseg.training.group import is_first, own_device
    from acseg.training.state import LOCK, remove_run, unfinished

    finished = (out / "config.json").exists() and not unfinished(out)
    if finished and not overwrite and is_first():
        raise typer.BadParameter(
            f"{out} is a finished model; `acseg classes again {out}` changes its classes, "
            "--overwrite replaces it"
        )
    parameters: dict[str, Any] = {
        "backbone": backbone,
        "n_classes": _classes(classes),
        "foreground": foreground,
        "random_state": seed,
        **machine(own_device(device)),
        **reading_parameters(bands, stretch, tile),
    }
    if granularity is not None:
        parameters["granularity"] = granularity
    if steps is not None:
        parameters |= {"division": "generator", "steps": steps}
    parameters |= read_parameters(more or [])
    model = ACSeg(**parameters)
    if is_first():
        say_backbone(backbone)
    _ = model.pipeline  # what cannot be loaded is said before anything is deleted
    if overwrite and is_first() and out.exists():
        _only_a_model(out)
        with locked(out / "state" / LOCK):
            remove_run(out)
    by: dict[str, Any] = {}
    if ray is not None:
        from acseg.cluster.fit_pass import RayEncode
        from acseg.cluster.ray_pass import start_ray

        start_ray(ray)  # what is missing is said before anything is written
        by = {"by": RayEncode(ray)}
    with progress_bar() as bar:
        wrote = fit_collection(model, inputs, out, progress=bar, **by)
    if not wrote:
        return
    count = len(model.class_ids)
    if as_json:
        tell_json({"model": str(out), "classes": count}, model.failed_)
        return
    typer.echo(f"{count} classes; the model is {out}")
    name_failed(model.failed_)


def _only_a_model(folder: Path) -> None:
    """Refuse to delete a folder that holds other things than a model."""
    from acseg.output.atomic import PARTIAL

    known = {"config.json", "generator.safetensors", "classes.safetensors", "classes.json"}
    known |= {"training.jsonl", "failed.jsonl", "names.json", "plots", "regions", "state"}
    other = sorted(p.name for p in folder.iterdir() if p.name not in known)
    other = [name for name in other if not PARTIAL.fullmatch(name)]  # of a call that was killed
    if other:
        raise typer.BadParameter(
            f"{folder} holds more than a model ({', '.join(other[:3])}); --overwrite would delete "
            "it, so use another folder"
        )


def _classes(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"--classes takes auto or a whole number, not {text!r}") from None


def read_parameters(texts: list[str]) -> dict[str, Any]:
    """Read KEY=VALUE; a value is JSON, or else text, and 9,12 is a list."""
    from acseg.model.settings import NAMES

    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in NAMES:
            raise typer.BadParameter(
                f"--set takes a setting and its value, not {text!r}; the settings are "
                f"{', '.join(NAMES)}"
            )
        name = "random_state" if name == "seed" else name
        try:
            found[name] = json.loads(value)
        except ValueError:
            try:
                found[name] = json.loads(f"[{value}]")
            except ValueError:
                found[name] = value
    return found
