"""What several tests share."""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

SHARED = Path(__file__).resolve().parents[2] / "shared"
COLOURS = ((200, 30, 30), (30, 180, 40), (30, 60, 210), (230, 210, 40), (120, 120, 120))


def pytest_configure(config: pytest.Config) -> None:
    """Give the tests empty caches of their own; subprocesses inherit them.

    So no test finds a backbone that the developer fetched, and none writes into their cache.
    """
    folder = tempfile.mkdtemp(prefix="acseg-tests-")
    os.environ["XDG_CACHE_HOME"] = folder
    os.environ["ACSEG_CACHE"] = os.path.join(folder, "acseg")
    os.environ["HF_HOME"] = os.path.join(folder, "huggingface")
    os.environ["HF_HUB_CACHE"] = os.path.join(folder, "huggingface", "hub")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs beside the project; tests that need it skip without it."""
    if not (SHARED / "labelled").is_dir():
        pytest.skip("needs the photographs in ../shared, which are not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DINO ViT of 32 dimensions, 2 layers and patch 8 with random weights."""
    import torch
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        image_size=48,
        patch_size=8,
    )
    model = ViTModel(config, add_pooling_layer=False)
    random = torch.Generator().manual_seed(7)
    for name, weight in model.named_parameters():
        values = 0.2 * torch.randn(weight.shape, generator=random)
        weight.data = values + (1 if "norm" in name and name.endswith("weight") else 0)
    folder = tmp_path_factory.mktemp("backbone") / "tiny"
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def photograph() -> Callable[..., np.ndarray]:
    """Make a picture (H, W, 3) of coloured areas with some noise; another one for each seed."""

    def make(seed: int, size: tuple[int, int] = (48, 40)) -> np.ndarray:
        random = np.random.default_rng(seed)
        height, width = size
        picture = np.empty((height, width, 3))
        picture[:] = COLOURS[seed % 5]
        picture[random.integers(height // 4, height // 2) :] = COLOURS[(seed + 1) % 5]
        picture[: height // 2, width // 2 :] = COLOURS[(seed + 3) % 5]
        return (picture + random.normal(0, 8, picture.shape)).clip(0, 255).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def photos(photograph: Callable[..., np.ndarray]) -> Callable[..., Path]:
    """Write pictures of these names into a folder, and give the folder."""

    def write(
        folder: Path, names: Sequence[str], *, size: tuple[int, int] = (48, 40), **save: Any
    ) -> Path:
        for seed, name in enumerate(names):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photograph(seed, size)).save(path, **save)
        return folder

    return write


@pytest.fixture(scope="session")
def tiny_settings(tiny_backbone: Path) -> dict[str, Any]:
    """Settings with which a fit takes a second."""
    return {
        "backbone": str(tiny_backbone),
        "side": 40,
        "division": "generator",
        "concepts": 4,
        "steps": 6,
        "batch_size": 3,
        "warmup": 2,
        "sample": 16,
        "crop_side": 16,
        "n_init": 2,
        "n_classes": 3,
        "foreground": "mean",
        "device": "cpu",
        "precision": "float32",
    }


@pytest.fixture(scope="session")
def tiny_run(
    tmp_path_factory: pytest.TempPathFactory,
    photos: Callable[..., Path],
    tiny_settings: dict[str, Any],
) -> Path:
    """A model folder with 3 classes, background included; do not change it."""
    from acseg import ACSeg

    root = tmp_path_factory.mktemp("fitted")
    folder = photos(root / "photos", [f"{n}.png" for n in range(6)])
    ACSeg(**tiny_settings).fit(folder, folder=root / "run")
    return root / "run"
