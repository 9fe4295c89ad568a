"""acseg classes: list, name, merge, drop, split, suggest, again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acseg.cli.options import Device, Granularity, Json, ModelFolder, app
from acseg.cli.say import name_failed, table, tell_json

if TYPE_CHECKING:
    from acseg.classes.edits import Edits
    from acseg.text.suggest import Suggestion

commands = typer.Typer(
    no_args_is_help=True, help="See, name, merge and drop the classes of a model; find others."
)
app.add_typer(commands, name="classes")

Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="Output folder of predict, to be brought up to date."),
]
Ids = Annotated[list[int], typer.Argument(metavar="ID...", help="Class ids.")]


@commands.command("list", epilog="Example:  acseg classes list model/")
def list_classes(folder: ModelFolder, as_json: Json = False) -> None:
    """List the classes of a model: names, merges and drops."""
    from acseg.model.folder import edits_of
    from acseg.text.suggest import read_suggestions

    _say(folder, edits_of(folder), read_suggestions(folder)[0], as_json)


@commands.command(epilog="Example:  acseg classes name model/ 3=road 5=sky -o out/")
def name(
    folder: ModelFolder,
    names: Annotated[
        list[str],
        typer.Argument(metavar="ID=NAME...", help="3=road names class 3, 3= takes its name away."),
    ],
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Name classes by hand."""
    _edit(folder, out, as_json, names=dict(_named(text) for text in names))


@commands.command(epilog="Example:  acseg classes merge model/ 4 7 -o out/")
def merge(folder: ModelFolder, ids: Ids, out: Out = None, as_json: Json = False) -> None:
    """Draw several classes as the first of them."""
    if len(ids) < 2:
        raise typer.BadParameter("merge takes two class ids or more, such as 4 7")
    _edit(folder, out, as_json, merge=[ids])


@commands.command(epilog="Example:  acseg classes drop model/ 9 -o out/")
def drop(folder: ModelFolder, ids: Ids, out: Out = None, as_json: Json = False) -> None:
    """Draw classes as void (255)."""
    _edit(folder, out, as_json, drop=ids)


@commands.command(epilog="Example:  acseg classes split model/ 7")
def split(folder: ModelFolder, ids: Ids, out: Out = None, as_json: Json = False) -> None:
    """Take back that classes were merged or dropped; predict draws them again."""
    _edit(folder, out, as_json, split=ids)


@commands.command(epilog="Example:  acseg classes suggest model/ 'sky,road,car' -o out/")
def suggest(
    folder: ModelFolder,
    labels: Annotated[
        str,
        typer.Argument(
            metavar="NAMES",
            help="Names to choose among, such as 'sky,road,car', or a file with one a line. 5 to "
            "100; include what is in the way (wall, grass).",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Output folder of predict."),
    ],
    text_model: Annotated[
        str, typer.Option(help="A CLIP or SigLIP: a folder, or a Hugging Face name.")
    ] = "openai/clip-vit-base-patch16",
    threshold: Annotated[
        float, typer.Option(help="Least confidence of a name; 0.2 to 0.8.", min=0, max=1)
    ] = 0.4,
    as_json: Json = False,
    device: Device = "auto",
) -> None:
    """Name classes by a text-image model; names given by hand stay."""
    from acseg.model.folder import edits_of, read_settings
    from acseg.output import Output
    from acseg.text.suggest import (
        read_labels_of,
        read_suggestions,
        suggest_names,
        take_suggestions,
        write_suggestions,
    )
    from acseg.text.views import views_from_output

    edits = edits_of(folder)
    Output(out).require_classes(edits.count)
    choices = read_labels_of(labels)
    reading = read_settings(folder).encoding.reading
    views, failed = views_from_output(out, edits, reading=reading)
    wanted = {c: own for c, own in views.items() if c in edits.nameable}
    found = suggest_names(wanted, choices, text_model=text_model, device=device)
    edits = take_suggestions(edits, read_suggestions(folder)[0], found, threshold)
    write_suggestions(folder, found, text_model)
    failed += _write(folder, edits, out)
    _say(folder, edits, found, as_json, failed)


@commands.command(epilog="Example:  acseg classes again model/ --classes 6 --foreground none")
def again(
    folder: ModelFolder,
    classes: Annotated[
        str, typer.Option(help="Classes, background included: auto, or 2 to 254.")
    ] = "auto",
    foreground: Annotated[
        str | None, typer.Option(help="auto, mean, sum or none. Default: as before.")
    ] = None,
    granularity: Granularity = None,
    as_json: Json = False,
) -> None:
    """Find other classes from what fit kept, without looking at the pictures again.

    Names, merges and drops are forgotten; predict draws the new classes.
    """
    from acseg.cli.fit import _classes
    from acseg.training.again import classes_again

    changes: dict[str, Any] = {"n_classes": _classes(classes)}
    if foreground is not None:
        changes["foreground"] = foreground
    if granularity is not None:
        changes["granularity"] = granularity
    edits = classes_again(folder, changes)
    _say(folder, edits, [], as_json)


def _named(text: str) -> tuple[int, str]:
    """Read 3=road."""
    number, equals, given = text.partition("=")
    if not equals or not number.strip().isdigit():
        raise typer.BadParameter(f"give a class and its name, such as 3=road, not {text!r}")
    return int(number), given


def _edit(folder: Path, out: Path | None, as_json: bool, **changes: Any) -> None:
    from acseg.classes.edits import edit
    from acseg.model.folder import edits_of
    from acseg.output import Output
    from acseg.text.suggest import read_suggestions

    before = edits_of(folder)
    edits = edit(before, changes.pop("names", {}), **changes)
    if out is not None:  # what cannot be done is said before anything is written
        Output(out).require_classes(edits.count)
    failed = _write(folder, edits, out)
    _say(folder, edits, read_suggestions(folder)[0], as_json, failed)


def _write(folder: Path, edits: "Edits", out: Path | None) -> list[tuple[str, str]]:
    """Write names, merges and drops into a model, and into an output folder."""
    from acseg.collection.redraw import carry_into
    from acseg.model.folder import read_settings, write_names
    from acseg.progress import progress_bar

    write_names(folder, edits.names, edits.becomes)
    if out is None:
        return []
    reading = read_settings(folder).encoding.reading
    with progress_bar() as bar:
        return carry_into(out, edits, reading=reading, progress=bar)


def _say(
    folder: Path,
    edits: "Edits",
    suggested: list["Suggestion"],
    as_json: bool,
    failed: list[tuple[str, str]] | None = None,
) -> None:
    guesses = {one.id: one for one in suggested}
    rows = []
    for c in range(edits.count):
        guess = guesses.get(c) if c not in edits.becomes else None
        rows.append(
            {
                "id": c,
                "name": edits.all_names.get(c),
                "best": guess and guess.name,
                "confidence": guess and guess.confidence,
                "runner_up": guess and guess.runner_up,
                "runner_up_confidence": guess and guess.runner_up_confidence,
                "becomes": edits.becomes.get(c),
            }
        )
    if as_json:
        tell_json({"model": str(folder), "classes": rows}, failed or [])
        return
    typer.echo(table([_row(row) for row in rows]))
    name_failed(failed or [])


def _row(row: dict[str, Any]) -> dict[str, Any]:
    becomes, note = row["becomes"], None
    if becomes is not None:
        note = "dropped" if becomes == 255 else f"drawn as {becomes}"
    elif row["best"] not in (None, row["name"]):
        note = "suggested name not taken"

    def guess(which: str, sure: str) -> str | None:
        return None if row[which] is None else f"{row[which]} {row[sure]:.2f}"

    return {
        "class": row["id"],
        "name": row["name"],
        "suggested": guess("best", "confidence"),
        "runner-up": guess("runner_up", "runner_up_confidence"),
        "": note,
    }
