"""GeoTIFF: label maps that lie on the map where their pictures lie."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from acseg.errors import DataError
from acseg.export.format import Format, Options
from acseg.export.png import write_legend
from acseg.export.source import Labelled, Legend
from acseg.export.target import write_beside
from acseg.images.georeference import TAGS, is_tiff
from acseg.output.palette import VOID

_NODATA = 42113
_ORIENTATION = 274
_TILE = 256


class GeoTiff(Format):
    """Label maps as TIFF of 8 bits with the colours of the classes; 255 is void and no data.

    The tags that say where the picture lies are copied from the picture. A picture without them
    becomes a plain TIFF, which is noted.
    """

    def __init__(self, target: Path, legend: Legend, options: Options) -> None:
        super().__init__(target, legend, options)
        try:
            import tifffile  # noqa: F401
        except ImportError:
            raise DataError("GeoTIFF needs tifffile; pip install 'acseg[export]'") from None
        table = np.zeros((3, VOID + 1), dtype=np.uint16)
        table[:, :VOID] = legend.colours.T.astype(np.uint16) * 257
        self._colours = table
        self._plain = 0

    def add(self, picture: Labelled) -> None:
        """Write one picture."""
        if picture.photograph is None:
            raise DataError("its photograph is not where it was; say where with --photos")
        tags = read_georeference(picture.photograph, picture.labels.shape)
        data = encode_geotiff(picture.labels, self._colours, tags)
        write_beside(self.target / f"{picture.name}.tif", data, picture.photograph)
        self._plain += not tags

    def finish(self) -> None:
        """Write the names and colours."""
        write_legend(self.target / "classes.json", self.legend, self.seen)
        if self._plain:
            self.notes.append(f"{self._plain} without georeference, as the photographs are")


def read_georeference(photograph: Path, shape: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """Read the tags of a TIFF that say where it lies; none of a picture of another kind.

    Parameters
    ----------
    photograph : Path
    shape : (H, W)
        Of the labels.

    Returns
    -------
    list of (code, type, count, value)

    Raises
    ------
    DataError
        If the TIFF is broken, of another size, or turned by its orientation tag.
    """
    import tifffile

    if not is_tiff(photograph):
        return []
    try:
        with tifffile.TiffFile(photograph) as file:
            page: Any = file.pages[0]
            size = page.imagelength, page.imagewidth
            tags = [page.tags[code] for code in TAGS if code in page.tags]
            turned = _ORIENTATION in page.tags and page.tags[_ORIENTATION].value != 1
            copied = [(tag.code, int(tag.dtype), tag.count, tag.value) for tag in tags]
    except Exception as error:  # tifffile raises nearly everything on broken files
        raise DataError(f"its tags cannot be read ({error})") from error
    if not copied:
        return []
    if turned:
        raise DataError("it has a georeference and is turned by its orientation tag as well")
    if size != shape:
        raise DataError(f"{size[1]} x {size[0]} pixels, the labels {shape[1]} x {shape[0]}")
    return copied


def encode_geotiff(labels: np.ndarray, colours: np.ndarray, tags: list[tuple[Any, ...]]) -> bytes:
    """Write labels (H, W) uint8 as a TIFF with a palette (3, 256) uint16 and these tags."""
    import tifffile

    extra = [(*tag, True) for tag in tags] + [(_NODATA, 2, 0, str(VOID), True)]
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        np.ascontiguousarray(labels),
        photometric="palette",
        colormap=colours,
        compression="zlib",
        tile=(_TILE, _TILE),
        extratags=extra,
        metadata=None,
        software="acseg",
    )
    return stream.getvalue()
