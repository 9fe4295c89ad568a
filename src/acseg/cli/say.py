"""What commands print when they are done."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from acseg.collection import Outcome


def count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def tell(outcome: "Outcome", what: str, *, as_json: bool = False, **facts: float) -> None:
    """Say what was done, or print it with `facts` as JSON; name what failed, and exit 1 for it."""
    if as_json:
        done = {"pictures": outcome.written, "reused": outcome.reused}
        report = None if outcome.report is None else str(outcome.report)
        tell_json({**done, **facts, "report": report}, outcome.failed)
        return
    typer.echo(what + (f"; {outcome.reused} were done before" if outcome.reused else ""))
    if outcome.report is not None:
        typer.echo(f"the report is {outcome.report}")
    name_failed(outcome.failed)


def tell_json(facts: dict[str, Any], failed: Sequence[tuple[str, str]]) -> None:
    """Print facts and failures as one JSON object, and nothing else; exit 1 if anything failed."""
    failures = [{"path": path, "error": reason} for path, reason in failed]
    typer.echo(json.dumps(facts | {"failed": failures}, ensure_ascii=False))
    if failed:
        raise typer.Exit(1)


def name_failed(failed: Sequence[tuple[str, str]]) -> None:
    if not failed:
        return
    for path, reason in failed:
        typer.echo(f"failed: {path}: {reason}", err=True)
    raise typer.Exit(1)


def table(rows: list[dict[str, Any]]) -> str:
    """Lay out rows in columns."""
    names = list(rows[0])
    cells = [names] + [["" if row[n] is None else str(row[n]) for n in names] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )
