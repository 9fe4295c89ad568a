import math

import pytest
import torch

from acseg.concepts.modularity import modularity_loss
from acseg.experiments.objectives import (
    OBJECTIVES,
    kmeans_objective,
    mincut_objective,
    sharpened_modularity,
)

ALL = [objective for objective in OBJECTIVES.values() if objective is not None]


def drawn(b: int = 2, n: int = 7, k: int = 3, d: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    pixels = torch.randn(b, n, d, generator=random, dtype=torch.float64)
    concepts = torch.randn(b, k, d, generator=random, dtype=torch.float64)
    return pixels, concepts


def cosine(x: torch.Tensor, y: torch.Tensor) -> float:
    return float(x @ y / (x.norm() * y.norm()))


@pytest.mark.parametrize("objective", ALL)
def test_the_gradient_is_that_of_finite_differences(objective: object) -> None:
    pixels, concepts = drawn()
    assert torch.autograd.gradcheck(
        lambda c: objective(pixels, c),
        concepts.requires_grad_(),  # type: ignore[operator]
    )


@pytest.mark.parametrize("objective", ALL)
def test_the_mean_over_the_batch_is_taken(objective: object) -> None:
    pixels, concepts = drawn()
    each = [objective(pixels[i : i + 1], concepts[i : i + 1]) for i in range(2)]  # type: ignore[operator]
    torch.testing.assert_close(objective(pixels, concepts), sum(each) / 2)  # type: ignore[operator]


def test_sharpened_modularity_by_its_plain_formula() -> None:
    pixels, concepts = drawn(b=1)
    x, c = pixels[0], concepts[0]
    n, t = len(x), 0.3
    a = [[max(0.0, cosine(x[i], x[j])) for j in range(n)] for i in range(n)]
    degree = [sum(row) for row in a]
    total = sum(degree)
    loss = 0.0
    for i in range(n):
        for j in range(n):
            delta = max(max(0.0, cosine(x[i], k)) * max(0.0, cosine(x[j], k)) for k in c)
            loss -= (a[i][j] - degree[i] * degree[j] / total) / total * math.tanh(delta / t)
    assert float(sharpened_modularity(pixels, concepts, temperature=t)) == pytest.approx(loss)


def test_a_wide_temperature_gives_the_modularity_itself() -> None:
    pixels, concepts = drawn()
    wide = 1000 * sharpened_modularity(pixels, concepts, temperature=1000.0)
    torch.testing.assert_close(wide, modularity_loss(pixels, concepts), rtol=1e-5, atol=1e-7)


def test_k_means_by_its_plain_formula() -> None:
    pixels, concepts = drawn(b=1)
    wanted = sum(1 - max(cosine(x, c) for c in concepts[0]) for x in pixels[0]) / 7
    assert float(kmeans_objective(pixels, concepts)) == pytest.approx(wanted)


def test_min_cut_by_its_plain_formula() -> None:
    pixels, concepts = drawn(b=1)
    x, c = pixels[0], concepts[0]
    a = torch.tensor([[max(0.0, cosine(p, q)) for q in x] for p in x], dtype=torch.float64)
    p = torch.tensor([[cosine(q, z) / 0.1 for z in c] for q in x], dtype=torch.float64).softmax(1)
    cut = torch.trace(p.T @ a @ p) / torch.trace(p.T @ torch.diag(a.sum(1)) @ p)
    overlap = p.T @ p
    balance = (overlap / overlap.norm() - torch.eye(3) / math.sqrt(3)).norm()
    assert float(mincut_objective(pixels, concepts)) == pytest.approx(float(balance - cut))


def test_more_concepts_always_lower_the_loss_of_k_means() -> None:
    pixels, concepts = drawn(k=5)
    losses = [float(kmeans_objective(pixels, concepts[:, :k])) for k in range(1, 6)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
