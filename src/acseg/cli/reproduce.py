"""acseg reproduce."""

from pathlib import Path
from typing import Annotated

import typer

from acseg.cli.options import Device, app
from acseg.cli.say import name_failed


@app.command(epilog="Example:  acseg reproduce recipes/camvid.toml --root CamVid/ -o camvid.jsonl")
def reproduce(
    recipe: Annotated[Path, typer.Argument(help="A TOML file, such as those in recipes/.")],
    root: Annotated[Path, typer.Option(help="Folder of its data set (see data check).")],
    seeds: Annotated[str, typer.Option(help="Seeds with commas; 3 to 10 of them.")] = "0,1,2",
    images: Annotated[
        int, typer.Option(help="Most pictures of each split, for a trial; 0 is all.", min=0)
    ] = 0,
    backbone: Annotated[
        str | None, typer.Option(help="Another backbone for all rows: a folder or a name.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="Write each row and seed here as it is done (JSON lines); started again, it goes "
            "on from what is there.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    device: Device = "auto",
) -> None:
    """Run a recipe over several seeds, and print the measured beside the published number."""
    import json
    from dataclasses import replace

    from acseg.experiments.recipe import read_recipe
    from acseg.experiments.reproduce import reproduce as run
    from acseg.experiments.results import Result, Results
    from acseg.experiments.table import Measured, markdown
    from acseg.progress import progress_bar

    found = read_recipe(recipe)
    if backbone is not None:
        found = replace(found, rows=tuple(replace(r, backbone=backbone) for r in found.rows))
    try:
        chosen = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"--seeds takes whole numbers with commas, not {seeds!r}"
        ) from None
    results = Results(out)
    done: dict[str, list[Result]] = {}
    with progress_bar() as bar:
        for row, result in run(
            found,
            root,
            seeds=chosen,
            images=images,
            device=device,
            results=results,
            progress=bar,
        ):
            done.setdefault(row.name, []).append(result)
    rows = []
    for row in found.rows:
        own = [result for result in done[row.name] if result.figures]
        if own:
            seeds_run = tuple(result.seed for result in own)
            rows.append(Measured(row, seeds_run, tuple(result.figures for result in own)))
    listing = {"title": found.title, "rows": [row.to_dict() for row in rows]}
    typer.echo(json.dumps(listing, indent=1) if as_json else markdown(found, rows))
    failed = {name: why for own in done.values() for r in own for name, why in r.failed.items()}
    name_failed(sorted(failed.items()))
