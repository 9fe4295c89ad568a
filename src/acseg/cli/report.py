"""acseg report, acseg show."""

from pathlib import Path
from typing import Annotated

import typer

from acseg.cli.options import app
from acseg.cli.say import name_failed


@app.command(
    epilog="Example:  acseg report out/ --sheet   |   acseg report run/   (plots of the training)"
)
def report(
    folder: Annotated[
        Path,
        typer.Argument(metavar="OUT|RUN", help="Folder that segment, predict or fit wrote."),
    ],
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "What was found",
    sheet: Annotated[
        bool,
        typer.Option(
            "--sheet", help="Write contact sheets too, OUT/sheets/1.jpg: 60 pictures each."
        ),
    ] = False,
) -> None:
    """Write OUT/index.html anew, or the plots of a training into RUN/plots/ (PNG and SVG).

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


def show_preview(out: Path, wanted: bool) -> None:
    """Show four overlays of an output folder, if that is wanted and somebody looks."""
    from rich.console import Console

    from acseg.report.terminal import show_output

    console = Console(highlight=False, soft_wrap=True)
    if wanted and console.is_terminal:
        show_output(out, console)


@app.command(epilog="Example:  acseg show out/ --picture beach")
def show(
    out: Annotated[Path, typer.Argument(help="Folder that segment or predict wrote.")],
    limit: Annotated[
        int, typer.Option(help="Most pictures, taken evenly from all; 1 to 50.", min=1)
    ] = 4,
    picture: Annotated[str, typer.Option(help="Only pictures with this in their name.")] = "",
    width: Annotated[int, typer.Option(help="Most characters across; 40 to 200.", min=4)] = 80,
) -> None:
    """Show overlays in the terminal, with what was found; elsewhere only what was found."""
    from rich.console import Console

    from acseg.report.terminal import show_output

    console = Console(highlight=False, soft_wrap=True)
    if show_output(out, console, limit=limit, width=width, picture=picture):
        raise typer.Exit(1)
