"""The options that say how files are read: which bands, how stretched, in which tiles."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from acseg.model import ACSeg

Bands = Annotated[
    str | None,
    typer.Option(
        help="Bands that are red, green, blue, counted from 1, such as 4,3,2; one band is grey. "
        "Default: the first three."
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
        help="Read larger pictures in tiles of so many px, 256 to 2048 (smaller: finer); or auto, "
        "for pictures of more than 25 million pixels. Default: whole."
    ),
]


def reading_settings(bands: str | None, stretch: str | None, tile: str | None) -> dict[str, Any]:
    """Turn the three options into settings; those not given are left out."""
    from acseg.images.bands import parse_bands, parse_stretch

    settings: dict[str, Any] = {}
    if bands is not None:
        settings["bands"] = parse_bands(bands)
    if stretch is not None:
        settings["stretch"] = parse_stretch(stretch)
    if tile is not None:
        settings["tile"] = _tile(tile)
    return settings


def read_as(model: "ACSeg", settings: dict[str, Any]) -> None:
    """Let a loaded model do as the options say, and else as its RUN says."""
    from dataclasses import replace

    model.settings = replace(model.settings, **settings)


def _tile(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"--tile takes auto or a side in px, not {text!r}") from None
