"""acseg export."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from acseg.cli.options import app
from acseg.cli.say import count, name_failed

_EXAMPLES = (
    "Examples:  acseg export out/ --format coco -o coco.json  |  "
    "acseg export out/ --format voc --images -o voc/  |  "
    "acseg export model/ --format onnx -o model.onnx"
)


class Format(StrEnum):
    """What can be written."""

    COCO = "coco"
    COCO_PANOPTIC = "coco-panoptic"
    VOC = "voc"
    LABEL_STUDIO = "label-studio"
    INDEX = "index"
    COLOUR = "colour"
    GEOTIFF = "geotiff"
    CSV = "csv"
    XLSX = "xlsx"
    ONNX = "onnx"


class Instances(StrEnum):
    """What a region is."""

    CLASSES = "classes"
    COMPONENTS = "components"


@app.command(epilog=_EXAMPLES)
def export(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="OUT|MODEL",
            help="Folder that segment or predict wrote; for onnx, a model that fit wrote.",
        ),
    ],
    format: Annotated[
        Format,
        typer.Option(
            help="coco: masks for CVAT, FiftyOne, pycocotools. coco-panoptic: PNGs of segments. "
            "voc: PASCAL VOC, CVAT's Segmentation mask. label-studio: tasks with brush regions. "
            "index: grey PNGs whose values are the labels. colour: RGB PNGs. "
            "geotiff: label maps that keep the georeference. csv, xlsx: areas. "
            "onnx: the model itself."
        ),
    ],
    target: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            help="Folder to write; a name ending in .json where the format is one JSON file, "
            "in .csv, .xlsx or .onnx for these.",
        ),
    ],
    instances: Annotated[
        Instances,
        typer.Option(
            help="One region for each class in a picture, or for each of its parts that hang "
            "together (coco, coco-panoptic, voc, label-studio)."
        ),
    ] = Instances.CLASSES,
    polygons: Annotated[
        bool, typer.Option("--polygons", help="Exact outlines instead of run lengths (coco).")
    ] = False,
    images: Annotated[
        bool,
        typer.Option("--images", help="Copy the photographs too (coco, coco-panoptic, voc)."),
    ] = False,
    image_url: Annotated[
        str,
        typer.Option(
            help="What stands before a photograph's relative name in its address (label-studio)."
        ),
    ] = "/data/local-files/?d=",
    photos: Annotated[
        Path | None,
        typer.Option(help="Where the photographs lie now, if they were moved."),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace files that are there; others stay."),
    ] = False,
) -> None:
    """Write label maps, or a model, in the format of another tool.

    Classes keep their ids and names. After segment, ids mean something in one picture alone:
    they are kept, called concept-0, concept-1 ...; in COCO all are of one category, concept.
    """
    from acseg.export.format import Options

    options = Options(
        instances=instances.value, polygons=polygons, images=images, image_url=image_url
    )
    if format is Format.ONNX:
        if options != Options() or photos is not None:
            raise typer.BadParameter("onnx takes a MODEL, -o and --overwrite only")
        from acseg.export.onnx import export_onnx

        export_onnx(source, target, overwrite=overwrite)
        typer.echo(f"model written to {target}")
        return
    from acseg.export.export import export_results
    from acseg.progress import progress_bar

    with progress_bar() as bar:
        done = export_results(
            source,
            target,
            format=format.value,
            options=options,
            photos=photos,
            overwrite=overwrite,
            progress=lambda n, of: bar("exporting", n, of),
        )
    typer.echo(f"{count(done.written, 'picture')} written to {target}")
    for note in done.notes:
        typer.echo(note)
    if done.left_out:
        typer.echo(f"left out: {count(len(done.left_out), 'picture')} that failed before")
    name_failed(done.failed)
