"""Writing miniature copies of the real layouts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path) -> Put:
    """Write a picture below the test's folder: `put(path, values)` or `put(path, size=(H, W))`."""

    def write(path: str, values=None, *, size=(12, 16), palette: bool = False) -> Path:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if values is None:
            values = np.random.default_rng(len(path)).integers(0, 256, (*size, 3))
        values = np.asarray(values, np.uint8)
        picture = Image.fromarray(values)
        if palette:
            picture.putpalette(bytes(range(256)) * 3)
        picture.save(target, format="JPEG" if target.suffix in (".jpg", ".JPEG") else "PNG")
        return target

    return write
