"""The photographs of a pre-training in memory, as bytes, with their unsupervised regions."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from acseg.errors import DataError, ImageError
from acseg.images.read import read_image
from acseg.names import safe_text
from acseg.output.atomic import AtomicFile

log = logging.getLogger("acseg")

SIDE = 128  # photographs are kept squeezed to this square; their true aspect is kept beside
MAP_SIDE = 64  # of the region maps and the figure score
SEGMENT_SIDE = 112  # short side of the picture that is over-segmented
LONGEST = 3  # times the short side
FORMAT = 2  # of the cache; another number where what is kept of a photograph changes


@dataclass(frozen=True)
class Photos:
    """Photographs ready for batches of views.

    Attributes
    ----------
    pixels : (M, 3, 128, 128) uint8
    maps : (M, S + 1, 64, 64) uint8
        Region ids at S scales, then the figure score in 0..255.
    aspect : (M,) float32
        Width over height.
    """

    pixels: NDArray[np.uint8]
    maps: NDArray[np.uint8]
    aspect: NDArray[np.float32]


def prepare(path: str) -> tuple[NDArray, NDArray, float] | str:
    """Read one photograph and find its regions; a text is the reason why it could not be."""
    from acseg.pretraining.regions import figure, oversegment

    try:
        picture = Image.fromarray(read_image(path))
    except ImageError as error:
        return str(error).removeprefix(f"{safe_text(path)}: ")
    width, height = picture.size
    scale = SEGMENT_SIDE / min(width, height)
    most = LONGEST * SEGMENT_SIDE
    size = (min(most, round(width * scale)), min(most, round(height * scale)))
    small = np.asarray(picture.resize(size, Image.Resampling.BILINEAR))
    square = (MAP_SIDE, MAP_SIDE)
    maps = [
        np.asarray(Image.fromarray(m).resize(square, Image.Resampling.NEAREST))
        for m in oversegment(small)
    ]
    score = Image.fromarray((figure(small) * 255).astype(np.uint8))
    maps.append(np.asarray(score.resize(square, Image.Resampling.BILINEAR)))
    pixels = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)), np.stack(maps), width / height


def load_photos(
    paths: Sequence[Path],
    cache: Path,
    *,
    workers: int,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[Photos, list[tuple[str, str]]]:
    """Read and over-segment photographs, or take both from the cache of an earlier call.

    Parameters
    ----------
    paths : sequence of Path
        The photographs; those that cannot be read are left out and named.
    cache : Path
        A safetensors file; written whole or not at all, used again for the same paths and sizes.
    workers : int
        Processes that share the work; 1 works in this one.
    progress : callable
        Told (done, of).

    Returns
    -------
    photos : Photos
    failures : list of (path, reason)
        The photographs left out.
    """
    sizes = [[str(p), p.stat().st_size if p.exists() else -1] for p in paths]
    key = sha256(json.dumps([FORMAT, *sizes]).encode()).hexdigest()
    found = _cached(cache, key)
    if found is not None:
        return found
    good: list[tuple[NDArray, NDArray, float]] = []
    failures: list[tuple[str, str]] = []
    with _mapper(workers) as mapper:
        results = mapper(prepare, [str(p) for p in paths])
        for i, result in enumerate(results, start=1):
            if isinstance(result, str):
                failures.append((safe_text(paths[i - 1]), result))
            else:
                good.append(result)
            progress(i, len(paths))
    photos = Photos(
        np.stack([g[0] for g in good]) if good else np.zeros((0, 3, SIDE, SIDE), np.uint8),
        np.stack([g[1] for g in good]) if good else np.zeros((0, 4, 64, 64), np.uint8),
        np.array([g[2] for g in good], dtype=np.float32),
    )
    notes = {"key": key, "failures": json.dumps(failures)}
    arrays: dict[str, NDArray] = {  # safetensors writes the memory as it lies, whatever the strides
        "pixels": np.ascontiguousarray(photos.pixels),
        "maps": np.ascontiguousarray(photos.maps),
        "aspect": photos.aspect,
    }
    with AtomicFile(cache) as growing:
        save_file(arrays, growing.partial, metadata=notes)
    return photos, failures


def read_photos(cache: Path) -> Photos:
    """Open what `load_photos` of another process has written.

    Raises
    ------
    DataError
        If it is not there, or broken.
    """
    found = _cached(cache, None)
    if found is None:
        raise DataError(f"{cache} cannot be read; all processes need the same folder")
    return found[0]


@contextmanager
def _mapper(workers: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Give a map over so many processes, in order; the plain one where one is enough."""
    if workers <= 1:
        yield map
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield partial(pool.map, chunksize=16)


def _cached(cache: Path, key: str | None) -> tuple[Photos, list[tuple[str, str]]] | None:
    """Open the cache if it is whole and was made for the same photographs."""
    from safetensors import safe_open

    try:
        with safe_open(cache, framework="numpy") as handle:
            notes = handle.metadata() or {}
        if key is not None and notes.get("key") != key:
            return None
        arrays = load_file(cache)
        failures = [(path, reason) for path, reason in json.loads(notes["failures"])]
        return Photos(arrays["pixels"], arrays["maps"], arrays["aspect"]), failures
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
