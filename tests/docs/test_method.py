import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from acseg import ACSeg, modularity_loss

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"


@pytest.fixture(scope="module")
def method() -> ModuleType:
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location("docs_method", PICTURES / "method.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_matrices_that_are_drawn_are_those_of_the_loss(method: ModuleType) -> None:
    random = np.random.default_rng(0)
    tokens, concepts = random.normal(size=(30, 6)), random.normal(size=(4, 6))
    A = method.affinity(tokens)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (tokens, concepts)]
    soft = np.maximum(unit[0] @ unit[1].T, 0)
    delta = (soft[:, None] * soft[None]).max(axis=2)
    loss = -(method.modularity(A) * delta).sum() / A.sum()
    wanted = modularity_loss(torch.tensor(tokens)[None], torch.tensor(concepts)[None])
    assert loss == pytest.approx(float(wanted), rel=1e-9)
    assert np.abs(method.modularity(A).sum(axis=1)).max() < 1e-9


def test_blocks_are_averaged(method: ModuleType) -> None:
    matrix = np.arange(25.0).reshape(5, 5)
    np.testing.assert_allclose(method.shrink(matrix, 2), [[3, 5], [13, 15]])


def test_figures_of_any_model_and_picture(
    method: ModuleType, tiny_run: Path, photograph: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    picture = photograph(2)
    steps = method.follow(model, picture)
    n = steps.grid[0] * steps.grid[1]
    assert steps.tokens.shape == (n, model.pipeline.backbone.dim)
    assert list(steps.parts) == [0.3, 0.5, 0.8]
    assert all(parts.shape == (n,) for parts in steps.parts.values())
    np.testing.assert_array_equal(steps.labels, model.segment(picture).labels)
    for draw in (method.draw_affinity, method.draw_modularity, method.draw_concepts):
        method.save(draw(steps), tmp_path / f"{draw.__name__}.png")
    assert len(list(tmp_path.glob("*.png"))) == 3


@pytest.mark.parametrize("name", ["affinity", "modularity", "concepts"])
def test_the_figures_in_the_pages_are_small(name: str) -> None:
    assert 4_000 < (PICTURES / f"method-{name}.png").stat().st_size < 150_000
