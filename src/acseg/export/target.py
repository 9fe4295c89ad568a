"""Where an export goes: what may be written over."""

import io
import os
from pathlib import Path
from typing import Any

from PIL import Image

from acseg.errors import DataError
from acseg.images.read import read_image
from acseg.names import safe_text
from acseg.output.atomic import write_atomic
from acseg.output.claim import TABLES

_ORIENTATION = 0x0112  # the EXIF tag


def check_target(target: Path, out: Path, *, folder: bool, overwrite: bool) -> None:
    """Refuse a target that would destroy something.

    Parameters
    ----------
    target : Path
        The file or folder to write.
    out : Path
        The folder that is exported.
    folder : bool
        Whether `target` is to be a folder.
    overwrite : bool
        Whether files may be replaced. Files of other names stay in any case.

    Raises
    ------
    DataError
        If the target is OUT, or belongs to what OUT holds; if it is there and not empty, and
        `overwrite` is False; if it is a file where a folder is needed, or the other way round.
    """
    said, real = safe_text(target), Path(os.path.realpath(target))
    home = Path(os.path.realpath(out))
    held = [home / "labels", home / "overlays"]
    files = [home / name for name in TABLES]
    if real in (home, *files) or any(place in (real, *real.parents) for place in held):
        raise DataError(f"{said} belongs to what is exported; choose another place")
    if folder and target.exists() and not target.is_dir():
        raise DataError(f"{said} is a file, and this format writes a folder")
    if not folder and target.is_dir():
        raise DataError(f"{said} is a folder, and a file is to be written")
    filled = any(target.iterdir()) if target.is_dir() else target.exists()
    if filled and not overwrite:
        raise DataError(f"{said} is there already; choose another place, or give --overwrite")


def write_beside(path: Path, data: bytes, photograph: Path | None) -> None:
    """Write a file of a picture, but never over its photograph.

    Raises
    ------
    DataError
        If `path` is the photograph.
    """
    _spare(path, photograph)
    write_atomic(path, data)


def copy_photograph(photograph: Path | None, path: Path) -> None:
    """Copy a photograph as it is, or upright where its EXIF data say that it is to be turned.

    Raises
    ------
    DataError
        If there is no photograph.
    """
    if photograph is None:
        raise DataError("its photograph is not where it was; say where with --photos")
    _spare(path, photograph)
    data = photograph.read_bytes()
    with Image.open(io.BytesIO(data)) as picture:
        turned = picture.getexif().get(_ORIENTATION, 1) != 1
        kind = "JPEG" if picture.format == "MPO" else picture.format
    if turned:
        stream = io.BytesIO()
        settings: dict[str, Any] = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
        Image.fromarray(read_image(data)).save(stream, format=kind, **settings)
        data = stream.getvalue()
    write_atomic(path, data)


def _spare(path: Path, photograph: Path | None) -> None:
    if photograph is not None and path.exists() and path.samefile(photograph):
        raise DataError(f"{safe_text(path)} is the photograph itself; choose another place")
