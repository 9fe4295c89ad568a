import numpy as np
import pytest
import torch

from acseg.experiments.refinement import DILATIONS, guided_filter, pamr


def halves(height: int = 40, width: int = 60, edge: int = 30) -> torch.Tensor:
    picture = torch.zeros(3, height, width, dtype=torch.float64)
    picture[:, :, edge:] = 1.0
    return picture


@pytest.mark.parametrize("method", [guided_filter, pamr])
def test_a_border_that_is_off_moves_to_the_edge_of_the_picture(method: object) -> None:
    scores = torch.zeros(2, 40, 60, dtype=torch.float64)
    scores[0, :, :33] = 1.0  # 3 px too far
    scores[1, :, 33:] = 1.0
    drawn = method(scores, halves()).argmax(0)  # type: ignore[operator]
    before = (scores.argmax(0) != halves()[0].long()).sum()
    after = (drawn != halves()[0].long()).sum()
    assert after < before / 2


@pytest.mark.parametrize("method", [guided_filter, pamr])
def test_an_even_picture_keeps_constant_scores(method: object) -> None:
    scores = torch.full((2, 32, 32), 0.3)
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = method(scores, picture)  # type: ignore[operator]
    torch.testing.assert_close(found, scores, atol=1e-4, rtol=1e-4)


def test_the_guided_filter_by_its_plain_formula() -> None:
    random = torch.Generator().manual_seed(1)
    scores = torch.rand(1, 9, 11, generator=random, dtype=torch.float64)
    picture = torch.rand(3, 9, 11, generator=random, dtype=torch.float64)
    guide, s, r, eps = picture.mean(0).numpy(), scores[0].numpy(), 2, 1e-3

    def window(x: np.ndarray, i: int, j: int) -> np.ndarray:
        return x[max(0, i - r) : i + r + 1, max(0, j - r) : j + r + 1]

    a, b = np.zeros((9, 11)), np.zeros((9, 11))
    for i in range(9):
        for j in range(11):
            g, v = window(guide, i, j), window(s, i, j)
            a[i, j] = ((g * v).mean() - g.mean() * v.mean()) / (g.var() + eps)
            b[i, j] = v.mean() - a[i, j] * g.mean()
    expected = [
        [window(a, i, j).mean() * guide[i, j] + window(b, i, j).mean() for j in range(11)]
        for i in range(9)
    ]
    found = guided_filter(scores, picture, radius=r, smoothing=eps)[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-10)


def test_one_step_of_pamr_by_its_plain_formula() -> None:
    random = torch.Generator().manual_seed(2)
    scores = torch.rand(2, 5, 6, generator=random, dtype=torch.float64)
    picture = torch.rand(3, 5, 6, generator=random, dtype=torch.float64)
    found = pamr(scores, picture, iterations=1, slope=0.2)
    i, j = 3, 2
    near = [
        (min(max(i + d * a, 0), 4), min(max(j + d * b, 0), 5))
        for d in DILATIONS
        for a in (-1, 0, 1)
        for b in (-1, 0, 1)
        if a or b
    ]
    colours = np.array([picture[:, y, x].numpy() for y, x in near])  # (M, 3)
    spread = colours.std(0, ddof=1)
    apart = np.abs(colours - picture[:, i, j].numpy()) / (0.2 * spread + 1e-8)
    weight = np.exp(-apart.mean(1))
    weight /= weight.sum()
    for c in range(2):
        wanted = sum(w * float(scores[c, y, x]) for w, (y, x) in zip(weight, near, strict=True))
        assert float(found[c, i, j]) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("method", [guided_filter, pamr])
def test_what_lies_in_steps_in_memory_gives_the_same(method: object) -> None:
    random = torch.Generator().manual_seed(3)
    scores = torch.rand(30, 2, 30, generator=random).transpose(0, 1)
    picture = torch.rand(30, 30, 3, generator=random).permute(2, 0, 1)
    one = method(scores, picture)  # type: ignore[operator]
    other = method(scores.contiguous(), picture.contiguous())  # type: ignore[operator]
    torch.testing.assert_close(one, other)
