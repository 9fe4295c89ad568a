"""acseg pretrain."""

from pathlib import Path
from typing import Annotated

import typer

from acseg.cli.options import Device, Inputs, app
from acseg.cli.say import name_failed


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
    steps: Annotated[int | None, typer.Option(help="Training steps; 1000 to 100000.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights and views.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that find regions; 1 to 16.")] = 2,
    probe: Annotated[
        list[Path] | None,
        typer.Option(help="Folder with images/ and masks/ to score at each checkpoint; repeat."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Pre-train a backbone without labels on your own pictures.

    On several GPUs or machines: torchrun --nproc-per-node 2 --no-python acseg pretrain ...
    """
    from acseg.pretraining.run import pretrain_collection
    from acseg.progress import progress_bar
    from acseg.training.group import is_first

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
    if not is_first():
        return
    typer.echo(f"the backbone is {out}; use it with --backbone {out}")
    name_failed(failed)
