"""acseg fit."""

from pathlib import Path
from typing import Annotated, Any

import typer

from acseg.cli.options import Device, Ground, Inputs, Json, Merge, Precision, Ray, Runtime, app
from acseg.cli.reading import Bands, Stretch, Tile, reading_settings
from acseg.cli.say import name_failed, tell_json


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
    rounds: Annotated[
        int | None,
        typer.Option(
            help="Rounds of k-means from a picture's concepts; 0 (the paper) to 20. More: closer "
            "to the pixels."
        ),
    ] = None,
    merge: Merge = None,
    ground: Ground = None,
    steps: Annotated[int, typer.Option(help="Training steps; 1000 to 10000. More: slower.")] = 2500,
    batch: Annotated[
        int, typer.Option(help="Pictures a step; 16 to 64. More: steadier, slower.")
    ] = 32,
    learning_rate: Annotated[
        float, typer.Option(help="Highest learning rate; 1e-4 to 1e-3.")
    ] = 5e-4,
    side: Annotated[
        int | None, typer.Option(help="Short side in px for the backbone; 160 to 640. More: finer.")
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(
            help="Image points between pixels: the patch or a divisor, such as 8 or 4. Half: four "
            "times as many pixels, finer and slower."
        ),
    ] = None,
    block: Annotated[
        str | None,
        typer.Option(
            help="Block of the ViT whose tokens are used, counted from 1, or several to be joined: "
            "9,10,11,12. Default: what its family needs."
        ),
    ] = None,
    foreground: Annotated[
        str,
        typer.Option(
            help="Background (class 0) by attention: its sum over a region (paper), its mean, or "
            "none for no background."
        ),
    ] = "sum",
    descriptor: Annotated[
        str | None,
        typer.Option(
            help="What stands for a region: crop (paper, default), crop-inside, masked-crop, "
            "mean-token (fast, default of the bundled backbone), concept-vector."
        ),
    ] = None,
    bands: Bands = None,
    stretch: Stretch = None,
    tile: Tile = None,
    seed: Annotated[int, typer.Option(help="Of all chance; the same seed gives the same RUN.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Start anew if RUN is there.")] = False,
    as_json: Json = False,
    device: Device = "auto",
    precision: Precision = "auto",
    runtime: Runtime = "auto",
    ray: Ray = None,
) -> None:
    """Train the generator on your pictures and discover their classes.

    On several GPUs or machines: torchrun --nproc-per-node 2 --no-python acseg fit ...
    """
    from acseg.model import ACSeg
    from acseg.output.lock import locked
    from acseg.progress import progress_bar
    from acseg.training.fit import fit_collection
    from acseg.training.group import is_first, own_device
    from acseg.training.state import LOCK, remove_run, unfinished

    finished = (out / "config.json").exists() and not unfinished(out)
    if finished and not overwrite and is_first():
        raise typer.BadParameter(f"{out} is a finished RUN already; --overwrite starts anew")
    model = ACSeg(
        backbone,
        classes=classes if classes == "auto" else _whole(classes, "--classes"),
        concepts=concepts,
        rounds=rounds,
        merge=merge,
        ground=ground,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        side=side,
        stride=stride,
        block=_blocks(block),
        foreground=foreground,
        descriptor=descriptor,
        seed=seed,
        device=own_device(device),
        precision=precision,
        runtime=runtime,
        **reading_settings(bands, stretch, tile),
    )
    _ = model.backbone  # what cannot be loaded is said before anything is deleted
    if overwrite and out.exists() and is_first():
        _only_a_run(out)
        with locked(out / "state" / LOCK):
            remove_run(out)
    more: dict[str, Any] = {}
    if ray is not None:
        from acseg.cluster.fit_pass import RayEncode
        from acseg.cluster.ray_pass import start_ray

        start_ray(ray)  # what is missing is said before the long work
        more["by"] = RayEncode(ray)
    with progress_bar() as bar:
        wrote = fit_collection(model, inputs, out, progress=bar, **more)
    if not wrote:  # one of several processes, and not the first
        return
    if as_json:
        tell_json({"run": str(out), "classes": len(model.class_ids)}, model.failed_)
        return
    typer.echo(f"{len(model.class_ids)} classes; the RUN is {out}")
    name_failed(model.failed_)


def _only_a_run(folder: Path) -> None:
    """Refuse to delete a folder that holds other things than a RUN."""
    from acseg.output.atomic import PARTIAL

    known = {"config.json", "generator.safetensors", "classes.safetensors", "classes.json"}
    known |= {"training.jsonl", "failed.jsonl", "names.json", "plots", "state"}
    other = sorted(p.name for p in folder.iterdir() if p.name not in known)
    other = [name for name in other if not PARTIAL.fullmatch(name)]  # of a call that was killed
    if other:
        raise typer.BadParameter(f"{folder} holds {other[0]}, which no RUN does; not overwritten")


def _blocks(text: str | None) -> int | tuple[int, ...] | None:
    if text is None:
        return None
    try:
        several = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"--block takes a number, or several such as 9,10,11,12, not {text!r}"
        ) from None
    return several if len(several) > 1 else several[0]


def _whole(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{option} takes auto or a whole number, not {text!r}") from None
