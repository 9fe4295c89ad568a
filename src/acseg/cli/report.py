"""acseg report."""

from pathlib import Path
from typing import Annotated

import typer

from acseg.cli.options import app
from acseg.cli.say import name_failed


@app.command(
    epilog="Example:  acseg report out/ --sheet   |   acseg report model/   (plots of the training)"
)
def report(
    folder: Annotated[
        Path,
        typer.Argument(metavar="OUT|MODEL", help="Folder that segment, predict or fit wrote."),
    ],
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "What was found",
    sheet: Annotated[
        bool,
        typer.Option(
            "--sheet", help="Write contact sheets too, OUT/sheets/1.jpg: 60 pictures each."
        ),
    ] = False,
) -> None:
    """Write OUT/index.html anew, or the plots of a fit into MODEL/plots/ (PNG and SVG).

    The plots are the loss and the number of concepts at each step, and how many classes fit best.
    """
    from acseg.progress import progress_bar

    if not (folder / "segments.jsonl").exists() and _has_diary(folder):
        from acseg.report.plots import write_plots

        if sheet:
            raise typer.BadParameter(f"--sheet is for what segment or predict wrote, not {folder}")
        for path in write_plots(folder):
            typer.echo(f"plotted {path}")
        return
    from acseg.report.html import write_report
    from acseg.report.sheets import write_sheets

    failed: list[tuple[str, str]] = []
    with progress_bar() as bar:
        path = write_report(
            folder, title=title, progress=lambda done, of: bar("writing the report", done, of)
        )
        sheets: list[Path] = []
        if sheet:
            sheets, failed = write_sheets(
                folder, progress=lambda done, of: bar("drawing contact sheets", done, of)
            )
    typer.echo(f"the report is {path}")
    for one in sheets:
        typer.echo(f"a contact sheet is {one}")
    name_failed(failed)


def _has_diary(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("config.json", "training.jsonl"))
