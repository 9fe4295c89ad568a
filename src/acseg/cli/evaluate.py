"""acseg evaluate."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from acseg.cli.options import app
from acseg.cli.say import name_failed


@app.command(epilog="Example:  acseg evaluate --labels out/labels --masks masks/")
def evaluate(
    labels: Annotated[Path, typer.Option(help="Folder of label maps, such as OUT/labels.")],
    masks: Annotated[Path, typer.Option(help="Index PNGs of the same names; 255 is void.")],
    protocol: Annotated[
        str,
        typer.Option(
            help="collection (P1), overcluster (P2), image (P3), direct (ids as they are, for "
            "classes learnt from masks). Default: P1 and P3."
        ),
    ] = "",
    match: Annotated[
        Literal["pixels", "iou"], typer.Option(help="What the match of P1 makes largest.")
    ] = "pixels",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Score label maps against masks: P1 over the whole set, and P3 inside each picture."""
    import json

    from acseg.evaluation.folder import evaluate_folders

    chosen = [protocol] if protocol else ["collection", "image"]
    results = [evaluate_folders(labels, masks, one, match=match) for one in chosen]
    if as_json:
        record = results[0].to_dict()
        if len(results) > 1:
            record["image"] = results[1].to_dict()
        typer.echo(json.dumps(record, indent=2))
    else:
        typer.echo("\n\n".join(result.table(failures=False) for result in results))
    name_failed(sorted({(f.path, f.reason) for result in results for f in result.failed}))
