"""acseg backbones."""

from pathlib import Path
from typing import Annotated

import typer

from acseg.cli.options import app
from acseg.cli.say import table


@app.command(epilog="Example:  acseg backbones")
def backbones(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the backbones known by name, and the card of the bundled one."""
    import dataclasses
    import json

    from acseg.backbone.listing import backbones as known

    rows = [dataclasses.asdict(row) for row in known()]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    typer.echo(table(rows))
    card = Path(__file__).parents[1] / "bundled" / "README.md"
    if card.exists():
        typer.echo("\n" + card.read_text(encoding="utf-8").rstrip())
