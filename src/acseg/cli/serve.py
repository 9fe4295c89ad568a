"""acseg serve."""

from pathlib import Path
from typing import Annotated

import typer

from acseg.cli.options import Device, Precision, app


@app.command(epilog="Example:  acseg serve run/ --out out/    several:  acseg serve run5/ run8/")
def serve(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="RUNs that fit wrote, to choose from in the page. Default: the bundled model.",
        ),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "-o", "--out", help="Folder that predict or segment wrote, to look through; repeatable."
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(help="Address to listen at; 127.0.0.1 is this machine only, 0.0.0.0 all."),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port. Default: the first free one from 7860 on."),
    ] = None,
    write_names: Annotated[
        bool | None,
        typer.Option(
            "--write-names/--no-write-names",
            help="Whether the page may write names to the RUN. Default: only on 127.0.0.1.",
        ),
    ] = None,
    megabytes: Annotated[
        float, typer.Option(min=0.1, max=1000, help="Most size of a dropped file; 1 to 200.")
    ] = 30,
    megapixels: Annotated[
        float, typer.Option(min=0.01, max=178, help="Most million pixels of a picture; 1 to 178.")
    ] = 64,
    seconds: Annotated[
        float, typer.Option(min=1, max=3600, help="Most time to send a picture; 10 to 600.")
    ] = 60,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Open the application in the browser: drop a picture, see its concepts, name them."""
    from importlib.util import find_spec

    from acseg.errors import DataError

    if find_spec("gradio") is None:
        raise DataError("acseg serve needs gradio; pip install 'acseg[app]'")
    from acseg.app.limits import Limits
    from acseg.app.server import is_local, serve

    if not is_local(host):
        typer.echo("anybody who reaches this machine can use it: there is no password", err=True)
    serve(
        runs or [],
        out or [],
        host=host,
        port=port,
        may_write=write_names,
        limits=Limits(megabytes=megabytes, megapixels=megapixels, seconds=seconds),
        device=device,
        precision=precision,
        ready=lambda address: typer.echo(f"acseg is at {address}  (Ctrl-C ends it)"),
    )
    typer.echo("ended")
