"""Tiny photographs, labelled folders and settings that train in a second."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acseg.pretraining.photos import Photos
from acseg.pretraining.settings import PretrainSettings


def disc(size: tuple[int, int], *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A bright disc on darker ground with a little noise, (H, W, 3) uint8, and its mask (H, W)."""
    random = np.random.default_rng(seed)
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    radius = 0.28 * min(size)
    mask = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < radius**2
    picture = np.where(mask[..., None], random.integers(180, 256, 3), random.integers(20, 80, 3))
    return (picture + random.integers(-5, 1, picture.shape)).astype(np.uint8), mask


@pytest.fixture
def tiny() -> Callable[..., PretrainSettings]:
    """Give the settings of a tiny training, some of them changed."""

    def give(**changes: Any) -> PretrainSettings:
        shape = {"dim": 16, "layers": 2, "heads": 2, "patch": 8, "side": 32, "batch": 4, "steps": 4}
        return PretrainSettings(**(shape | changes))

    return give


@pytest.fixture(scope="session")
def photos() -> Photos:
    """Six noisy photographs of halves in two colours, their regions and figure made by hand."""
    random = np.random.default_rng(3)
    pixels = np.zeros((6, 3, 32, 32), np.uint8)
    maps = np.zeros((6, 4, 16, 16), np.uint8)
    for i in range(6):
        cut = int(random.integers(10, 22))
        pixels[i, :, :, :cut] = random.integers(0, 256, 3)[:, None, None]
        pixels[i, :, :, cut:] = random.integers(0, 256, 3)[:, None, None]
        maps[i, :3, :, cut // 2 :] = 1
        maps[i, 0, 8:] += 2
        maps[i, 3, :, cut // 2 :] = 255
    noise = random.integers(0, 128, pixels.shape, dtype=np.uint8)
    return Photos(pixels // 2 + noise, maps, np.array([1, 1.5, 0.7, 1, 2, 0.5], np.float32))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of four photographs of different shapes."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, size in enumerate([(40, 60), (60, 40), (48, 48), (16, 16)]):
        Image.fromarray(disc(size, seed=i)[0]).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A folder images/ and masks/ of two discs."""
    folder = tmp_path / "labelled"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for i in range(2):
        picture, mask = disc((40, 48), seed=i)
        Image.fromarray(picture).save(folder / "images" / f"{i}.jpg")
        Image.fromarray(mask.astype(np.uint8)).save(folder / "masks" / f"{i}.png")
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A TOML file with the settings of a tiny training."""
    path = tmp_path / "tiny.toml"
    path.write_text(
        "[pretrain]\ndim = 16\nlayers = 2\nheads = 2\nside = 32\nbatch = 4\nsteps = 2\n"
        "crop = [0.5, 1]\n"
    )
    return path
