"""acseg name."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acseg.cli.options import Device, Json, app
from acseg.cli.say import name_failed, table, tell_json

if TYPE_CHECKING:
    from acseg.naming.edits import Edits
    from acseg.naming.suggest import Suggestion


@app.command(
    epilog="Example:  acseg name run/ --labels 'sky,road,car' --out out/    |   "
    "acseg name run/ --set 3=road --merge 4,7 --drop 9 --out out/"
)
def name(
    run: Annotated[Path, typer.Argument(help="A RUN that fit wrote.")],
    labels: Annotated[
        str | None,
        typer.Option(
            help="Names to choose among, found by a text-image model: 'sky,road,car', or a file "
            "with one a line. 5 to 100; name also what is in the way (wall, grass)."
        ),
    ] = None,
    text_model: Annotated[
        str, typer.Option(help="A CLIP or SigLIP: a folder, or a Hugging Face name.")
    ] = "openai/clip-vit-base-patch16",
    threshold: Annotated[
        float,
        typer.Option(
            help="Least confidence; below it a class stays without name. 0.2 to 0.8.", min=0, max=1
        ),
    ] = 0.4,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="Folder that predict wrote for this RUN: its exemplars are what --labels looks "
            "at, and names, merges and drops are written into it too.",
        ),
    ] = None,
    pictures: Annotated[
        list[str] | None,
        typer.Option(
            metavar="INPUT",
            help="Files, folders or globs for --labels to look at instead of the exemplars of "
            "--out; up to 200 are predicted. May be repeated.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="ID=NAME",
            help="3=road names class 3, 3= takes its name. May be repeated.",
        ),
    ] = None,
    merge: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID,ID", help="4,7 draws class 7 as class 4 from now on. May be repeated."
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="9 draws class 9 as void (255). May be repeated."),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID", help="7 takes back that class 7 was merged or dropped. May be repeated."
        ),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Forget all names, merges and drops first.")
    ] = False,
    as_json: Json = False,
    device: Device = "auto",
) -> None:
    """Name the classes of a RUN, merge and drop them; without options, list them.

    A RUN holds no pictures: --labels looks at the exemplars of --out, or at --pictures. Names given
    by --set are kept by --labels. Everything written afterwards has the names.
    """
    from acseg.naming.carry import carry_into
    from acseg.naming.edits import edit, edits_of
    from acseg.naming.suggest import read_suggestions, take_suggestions, write_suggestions
    from acseg.output import Output
    from acseg.progress import progress_bar
    from acseg.run import read_config, write_names

    if labels is not None and out is None and not pictures:
        raise typer.BadParameter("--labels needs something to look at: --out OUT or --pictures")
    if pictures and labels is None:
        raise typer.BadParameter("--pictures are for --labels to look at; give names to choose")
    given = dict(_setting(text) for text in set_ or [])
    before = edits_of(run)
    edits = edit(
        before.reset() if reset else before,
        given,
        merge=[_ids(text, "--merge", least=2) for text in merge or []],
        drop=[c for text in drop or [] for c in _ids(text, "--drop")],
        split=[c for text in split or [] for c in _ids(text, "--split")],
    )
    if out is not None:
        Output(out).require_classes(
            edits.count
        )  # what cannot be done is said before anything is written
    old, model_used = read_suggestions(run)
    suggested = [one for one in old if one.id not in given and not reset]
    failed: list[tuple[str, str]] = []
    if labels is not None:
        new, failed = _suggest(run, edits, labels, text_model, out, pictures or [], device)
        edits = take_suggestions(edits, suggested, new, threshold)
        suggested, model_used = [one for one in new if one.id not in given], text_model
    if edits != before or suggested != old:
        write_suggestions(run, suggested, model_used)
        write_names(run, edits.names, edits.becomes)
    if out is not None:
        with progress_bar() as bar:
            failed += carry_into(out, edits, reading=read_config(run)[0].reading, progress=bar)
    rows = _rows(edits, suggested)
    if as_json:
        tell_json({"run": str(run), "classes": rows}, failed)
        return
    typer.echo(_table(rows))
    for line in _hints(edits, out, changed=edits != before):
        typer.echo(line)
    name_failed(failed)


def _suggest(
    run: Path,
    edits: "Edits",
    labels: str,
    text_model: str,
    out: Path | None,
    pictures: list[str],
    device: str,
) -> tuple[list["Suggestion"], list[tuple[str, str]]]:
    """Find names for the classes of a RUN by what they look like."""
    from acseg.naming.suggest import read_labels_of, suggest_names
    from acseg.naming.views import views_from_output, views_from_pictures
    from acseg.progress import progress_bar
    from acseg.run import read_config

    names = read_labels_of(labels)
    if pictures:
        from acseg.model import ACSeg

        model = ACSeg.load(run, device=device)
        model.becomes_ = dict(edits.becomes)
        with progress_bar() as bar:
            views, failed = views_from_pictures(model, pictures, progress=bar)
    else:
        assert out is not None  # noqa: S101  the command has checked it
        views, failed = views_from_output(out, edits, reading=read_config(run)[0].reading)
    wanted = {c: own for c, own in views.items() if c in edits.nameable}
    return suggest_names(wanted, names, text_model=text_model, device=device), failed


def _setting(text: str) -> tuple[int, str]:
    """Read 3=road."""
    number, equals, given = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"--set takes a class and its name, such as 3=road, not {text!r}")
    return _ids(number, "--set", most=1)[0], given


def _ids(text: str, option: str, *, least: int = 1, most: int = 255) -> list[int]:
    """Read 4,7."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not least <= len(found) <= most:
        example = "two class ids or more, such as 4,7" if least == 2 else "class ids, such as 9"
        raise typer.BadParameter(f"{option} takes {example}, not {text!r}")
    return found


def _rows(edits: "Edits", suggested: list["Suggestion"]) -> list[dict[str, Any]]:
    """Describe each class: its name, how sure a suggested one is, and what it became."""
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
    return rows


def _table(rows: list[dict[str, Any]]) -> str:
    def note(row: dict[str, Any]) -> str | None:
        if row["becomes"] is not None:
            return "dropped" if row["becomes"] == 255 else f"drawn as {row['becomes']}"
        return None if row["best"] in (None, row["name"]) else "not taken"

    def guess(row: dict[str, Any], which: str, sure: str) -> str | None:
        return None if row[which] is None else f"{row[which]} {row[sure]:.2f}"

    return table(
        [
            {
                "class": row["id"],
                "name": row["name"],
                "suggested": guess(row, "best", "confidence"),
                "runner-up": guess(row, "runner_up", "runner_up_confidence"),
                "": note(row),
            }
            for row in rows
        ]
    )


def _hints(edits: "Edits", out: Path | None, *, changed: bool) -> list[str]:
    """Say what one might do next."""
    lines = []
    same: dict[str, list[int]] = {}
    for c in edits.drawn:
        if c in edits.names:
            same.setdefault(edits.names[c], []).append(c)
    for called, ids in same.items():
        if len(ids) > 1:
            merged = ",".join(map(str, ids))
            lines.append(f"{len(ids)} classes are called {called}: --merge {merged} makes them one")
    if changed and out is None:
        lines.append("predict has this from now on; --out OUT writes it into an older OUT too")
    if out is not None:
        lines.append(f"the report is {out / 'index.html'}")
    return lines
