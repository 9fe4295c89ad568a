"""The application, and the options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from acseg.cli.groups import Commands

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Find the classes in a collection of photographs without labels, and draw them.\n\n"
        "\b\n"
        "  acseg segment photos/ -o out/         the concepts of each picture, for itself\n"
        "  acseg fit photos/ -o run/             find the classes of your collection\n"
        "  acseg predict run/ photos/ -o out/    draw them in every picture\n\n"
        "Each command has --help with an example. Exit status: 0 all done, 1 some inputs failed "
        "(named), 2 wrong usage."
    ),
)

Inputs = Annotated[list[str], typer.Argument(help="Files, folders (walked) or globs.")]
Device = Annotated[
    str, typer.Option(help="Where to compute: auto (a GPU if there is one), cpu, cuda or cuda:1.")
]
Precision = Annotated[
    str,
    typer.Option(
        help="Of the backbone: float32, bfloat16 (half the memory), or auto (bfloat16 where it is "
        "fast)."
    ),
]
Runtime = Annotated[
    str,
    typer.Option(
        help="What runs the backbone on a processor: torch, openvino, or auto (openvino where "
        "it is installed)."
    ),
]
Merge = Annotated[
    float | None,
    typer.Option(help="Mean affinity above which two concepts become one; 0.3 to 1 (never)."),
]
Ground = Annotated[
    float | None,
    typer.Option(
        help="Merge only in pictures of a figure on a ground, with at least this score; 0 (all "
        "pictures, and what --merge alone does) to 0.8."
    ),
]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for other programs.")]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Start anew instead of going on: delete what was written there first."
    ),
]
Preview = Annotated[
    bool,
    typer.Option("--preview", help="Show four overlays in the terminal when done; see show."),
]
Overlays = Annotated[
    bool,
    typer.Option(help="Write overlays/ too; without, a tenth of the bytes."),
]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="[ADDRESS]",
        help="Spread the work over a Ray cluster: the one that runs here (or one of this machine "
        "alone), or the one at ADDRESS. INPUT and OUT may then be addresses (s3://bucket/photos) "
        "and INPUT tar files.",
    ),
]
