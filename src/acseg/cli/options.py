"""The application, and the options that several commands share."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acseg.cli.groups import Commands

if TYPE_CHECKING:
    from acseg.collection import Outcome
    from acseg.model import ACSeg

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
        "  acseg segment photos/ -o out/           the concepts of each picture\n"
        "  acseg fit photos/ -o model/             find the classes of your collection\n"
        "  acseg predict model/ photos/ -o out/    draw them in every picture\n\n"
        "Each command has --help with an example. Exit status: 0 all done, 1 some inputs failed "
        "(named), 2 wrong usage."
    ),
)

Inputs = Annotated[list[str], typer.Argument(help="Files, folders (walked) or globs.")]
ModelFolder = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder that fit wrote.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Output folder to write.")]
Device = Annotated[
    str, typer.Option(help="Where to compute: auto (a GPU if there is one), cpu, cuda or cuda:1.")
]
Granularity = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="How finely pictures are divided, 0 (coarse) to 1 (fine). Default: 0.5, each "
        "picture's own threshold.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for other programs.")]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Start anew: first delete what acseg wrote there before."),
]
Overlays = Annotated[
    bool, typer.Option(help="Write overlays/ too; without them, a tenth of the bytes.")
]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="[ADDRESS]",
        help="Spread the work over a Ray cluster: the one running here, or the one at ADDRESS. "
        "Inputs and output may then be addresses such as s3://bucket/photos.",
    ),
]
Bands = Annotated[
    str | None,
    typer.Option(
        help="Bands that are red, green and blue, counted from 1, such as 4,3,2; one band is "
        "grey. Default: the first three."
    ),
]
Stretch = Annotated[
    str | None,
    typer.Option(
        help="Percentiles of each band that become black and white, such as 2,98. Default: 8-bit "
        "values as they are, others over their whole range."
    ),
]
Tile = Annotated[
    str | None,
    typer.Option(
        help="Read larger pictures in tiles of this many pixels, 256 to 2048; or auto, for "
        "pictures of more than 25 million pixels. Default: whole."
    ),
]


def reading_parameters(bands: str | None, stretch: str | None, tile: str | None) -> dict[str, Any]:
    """Turn the options that say how files are read into parameters."""
    from acseg.images.bands import parse_bands, parse_stretch

    found: dict[str, Any] = {}
    if bands is not None:
        found["bands"] = parse_bands(bands)
    if stretch is not None:
        found["stretch"] = parse_stretch(stretch)
    if tile is not None:
        try:
            found["tile"] = tile if tile == "auto" else int(tile)
        except ValueError:
            raise typer.BadParameter(
                f"--tile takes auto or a side in pixels, not {tile!r}"
            ) from None
    return found


def machine(device: str) -> dict[str, Any]:
    """Say where and how to compute: ACSEG_PRECISION and ACSEG_RUNTIME are for experts."""
    return {
        "device": device,
        "precision": os.environ.get("ACSEG_PRECISION", "auto"),
        "runtime": os.environ.get("ACSEG_RUNTIME", "auto"),
    }


def say_backbone(name: str) -> None:
    """Say which backbone was taken, where the user named none."""
    if name == "auto":
        from acseg.backbone.folders import default_backbone

        typer.echo(default_backbone()[1], err=True)


def pass_over(
    model: "ACSeg", inputs: list[str], out: Path, ray: str | None, **more: Any
) -> "Outcome":
    """Run a collection pass on this machine, or on a cluster where --ray asks for one."""
    if ray is None:
        from acseg.collection import run_collection

        return run_collection(model, inputs, out, **more)
    from acseg.cluster.spread import run_spread

    return run_spread(model, inputs, out, address=ray, **more)
