"""acseg serve."""

from pathlib import Path
from typing import Annotated

import typer

from acseg.cli.options import Device, app


@app.command(epilog="Example:  acseg serve model/ --out out/")
def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="Model folders that fit wrote, or backbones, to choose from. Default: auto.",
        ),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option("-o", "--out", help="Output folder to look through; repeatable."),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen at; 0.0.0.0 lets the network in, and nobody then changes "
            "names. Default: 127.0.0.1, this machine only."
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port. Default: the first free one from 7860 on."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Open the application in the browser: drop pictures, look, name, correct, download."""
    from importlib.util import find_spec

    from acseg.errors import DataError

    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise DataError("acseg serve needs starlette and uvicorn; pip install 'acseg[app]'")
    from acseg.app.server import is_local, open_browser, serve

    if not is_local(host or "127.0.0.1"):
        typer.echo("anybody who reaches this machine can use it: there is no password", err=True)

    def ready(address: str) -> None:
        typer.echo(f"acseg is at {address}  (Ctrl-C ends it)")
        if host is None:
            open_browser(address)

    serve(models or [], out or [], host=host or "127.0.0.1", port=port, device=device, ready=ready)
    typer.echo("ended")
