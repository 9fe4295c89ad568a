"""acseg report."""

from pathlib import Path
from typing import Annotated

import typer

from acseg.cli.options import app


@app.command(epilog="Example:  acseg report out/")
def report(
    out: Annotated[Path, typer.Argument(help="Folder that segment or predict wrote.")],
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "What was found",
) -> None:
    """Write OUT/index.html anew from what lies in OUT."""
    from acseg.progress import progress_bar
    from acseg.report.html import write_report

    with progress_bar() as bar:
        path = write_report(
            out, title=title, progress=lambda done, of: bar("writing the report", done, of)
        )
    typer.echo(f"the report is {path}")
