"""The application, and the options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Find the classes in a collection of photographs without labels, and draw them.\n\n"
        "First:  acseg demo   |   acseg segment photos/ -o out/   |   "
        "acseg fit photos/ -o run/ && acseg predict run/ photos/ -o out/"
    ),
)

Inputs = Annotated[list[str], typer.Argument(help="Files, folders (walked) or globs.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]
Precision = Annotated[
    str, typer.Option(help="auto (bfloat16 where it is fast), float32 or bfloat16.")
]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")]
