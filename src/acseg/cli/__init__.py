"""The command line: parses, calls the model, prints. Nothing heavy is imported before it runs."""

import logging
import re
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from acseg.cli.options import app
from acseg.errors import AcsegError

# isort: off
# Importing a module registers its commands; help lists them in this order.
from acseg.cli import segment  # noqa: F401
from acseg.cli import fit  # noqa: F401
from acseg.cli import predict  # noqa: F401
from acseg.cli import classes  # noqa: F401
from acseg.cli import report  # noqa: F401
from acseg.cli import serve  # noqa: F401
from acseg.cli import export  # noqa: F401
from acseg.cli import evaluate  # noqa: F401
from acseg.cli import backbones  # noqa: F401
# isort: on

__all__ = ["app", "main"]

ADDRESS = re.compile(r"auto|local|(ray://)?[\w.-]+:\d+")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exit 0 all done, 1 some inputs failed, 2 wrong usage."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        app(args=fill_ray(sys.argv[1:] if arguments is None else arguments), standalone_mode=True)
    except (
        AcsegError,
        OSError,
        ValueError,
    ) as error:  # a full disk, a setting
        typer.echo(f"acseg: {error}", err=True)
        sys.exit(2)


def fill_ray(arguments: Sequence[str]) -> list[str]:
    """Give ``--ray`` without an address the address "auto"."""
    filled: list[str] = []
    for place, argument in enumerate(arguments):
        following = arguments[place + 1] if place + 1 < len(arguments) else ""
        bare = argument == "--ray" and not ADDRESS.fullmatch(following)
        filled.append("--ray=auto" if bare else argument)
    return filled


def _version(wanted: bool) -> None:
    if wanted:
        from acseg import __version__

        typer.echo(f"acseg {__version__}")
        raise typer.Exit


@app.callback()
def setup(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say what is chosen, such as the blocks.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Set up the log."""
    logging.getLogger("acseg").setLevel(logging.INFO if verbose else logging.WARNING)
