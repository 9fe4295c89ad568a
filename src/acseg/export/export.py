"""Exporting what `segment` or `predict` wrote: one format, one picture after the other."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from importlib import import_module
from pathlib import Path

from acseg.errors import AcsegError, DataError
from acseg.export.format import Format, Options
from acseg.export.source import read_legend, read_pictures
from acseg.export.target import check_target
from acseg.output import Output

FORMATS = {
    "coco": ("acseg.export.coco", "Coco"),
    "coco-panoptic": ("acseg.export.coco_panoptic", "CocoPanoptic"),
    "voc": ("acseg.export.voc", "Voc"),
    "label-studio": ("acseg.export.label_studio", "LabelStudio"),
    "index": ("acseg.export.png", "Index"),
    "colour": ("acseg.export.png", "Colour"),
    "geotiff": ("acseg.export.geotiff", "GeoTiff"),
    "csv": ("acseg.export.areas", "Csv"),
    "xlsx": ("acseg.export.areas", "Xlsx"),
}
"""Name of each format, and the module and class that write it."""


@dataclass
class Exported:
    """What became of an export.

    Attributes
    ----------
    written : int
        Pictures.
    failed : list of (path, reason)
        Pictures of OUT that could not be exported.
    left_out : list of (path, reason)
        Pictures that failed already when OUT was made.
    notes : list of str
    """

    written: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def export_results(
    out: str | Path,
    target: str | Path,
    *,
    format: str,
    options: Options | None = None,
    photos: str | Path | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Exported:
    """Export label maps in the format of another tool.

    The same OUT gives the same bytes. A picture whose labels cannot be read or written is named
    and left out. Files take their names when they are whole, and lists of pictures come last.

    Parameters
    ----------
    out : path
        What `segment` or `predict` wrote.
    target : path
        The folder to write, or for the formats of one JSON file, its name ending in ``.json``.
    format : str
        One of `FORMATS`.
    options : Options, optional
    photos : path, optional
        Where the photographs lie; default where ``segments.jsonl`` says.
    overwrite : bool, default False
        Replace files of a target that is there; files of other names stay.
    progress : callable
        Called with the number of pictures done and of all.

    Raises
    ------
    DataError
        If OUT cannot be read or holds no picture, the target must not be written, an option does
        not belong to the format, or a package is missing.
    """
    out, target, options = Path(out), Path(target), options or Options()
    if format not in FORMATS:
        raise DataError(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    module, name = FORMATS[format]
    kind: type[Format] = getattr(import_module(module), name)
    for option in fields(Options):
        if getattr(options, option.name) != option.default and option.name not in kind.reads:
            raise DataError(f"--{option.name.replace('_', '-')} means nothing to {format}")
    if options.images and kind.is_file(target):
        raise DataError(f"{target}: photographs go into a folder; give -o DIR with --images")
    if photos is not None and not Path(photos).is_dir():
        raise DataError(f"{photos}: no such folder")
    output = Output(out, photos=photos)
    tally = output.tally()
    if not tally.pictures:
        raise DataError(f"{out} holds no picture that was segmented")
    for place, folder in kind.places(target):
        check_target(place, out, folder=folder, overwrite=overwrite)
    exported = Exported(left_out=tally.failed)
    writer = kind(target, read_legend(output), options)
    try:
        for done, picture in enumerate(read_pictures(output), start=1):
            if isinstance(picture, tuple):
                exported.failed.append((picture[0], str(picture[1])))
            else:
                try:
                    writer.add(picture)
                    writer.seen.update(picture.present)
                    exported.written += 1
                except (AcsegError, OSError) as error:
                    exported.failed.append((picture.path, str(error)))
            progress(done, tally.pictures)
        writer.finish()
    finally:
        writer.discard()
    exported.notes = writer.notes
    return exported
