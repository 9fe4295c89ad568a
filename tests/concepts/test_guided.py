"""Concepts drawn along the photograph's edges, against bilinear drawing and plain least squares."""

import pytest
import torch
import torch.nn.functional as F

from acseg.concepts.guided import coefficients, draw_labels, inverse, resample


def test_a_diagonal_edge_is_drawn_better_than_bilinear():
    y, x = torch.meshgrid(torch.arange(168), torch.arange(196), indexing="ij")
    truth = (x + 0.6 * y > 150).long()
    image = torch.where(truth.bool(), 0.8, 0.3).expand(3, -1, -1)
    tokens = F.avg_pool2d(truth[None].float(), 14)[0]
    scores = torch.stack([0.6 - 0.3 * tokens, 0.3 + 0.3 * tokens])
    plain = F.interpolate(scores[None], size=truth.shape, mode="bilinear")[0].argmax(0)
    drawn = draw_labels(scores, image)
    assert drawn.shape == truth.shape
    assert drawn.dtype == torch.int64
    wrong, wrong_plain = (drawn != truth).float().mean(), (plain != truth).float().mean()
    assert wrong < 0.3 * wrong_plain


def test_an_image_of_one_colour_changes_little():
    scores = torch.rand(3, 10, 12, generator=torch.Generator().manual_seed(0))
    scores = F.avg_pool2d(scores[None], 5, 1, 2)[0]
    drawn = draw_labels(scores, torch.full((3, 140, 168), 0.4), radius=1)
    plain = F.interpolate(scores[None], size=(140, 168), mode="bilinear")[0].argmax(0)
    assert (drawn == plain).float().mean() > 0.9


def test_coefficients_are_least_squares_in_the_window():
    g = torch.Generator().manual_seed(1)
    guide, p = torch.rand(3, 5, 5, generator=g), torch.rand(2, 5, 5, generator=g)
    a, b = coefficients(guide, p, 4, 1e-3)  # every window is all of it
    colours = guide.flatten(1).T.double()
    centred = colours - colours.mean(0)
    for c in range(2):
        values = p[c].flatten().double()
        left = centred.T @ centred / 25 + 1e-3 * torch.eye(3).double()
        slope = torch.linalg.solve(left, centred.T @ (values - values.mean()) / 25)
        torch.testing.assert_close(a[c, :, 2, 2].double(), slope, atol=1e-4, rtol=1e-4)
        shift = values.mean() - slope @ colours.mean(0)
        torch.testing.assert_close(b[c, 2, 2].double(), shift, atol=1e-4, rtol=1e-4)


def test_inverse():
    root = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(2)).double()
    matrices = root @ root.mT + 0.1 * torch.eye(3).double()
    found = inverse(matrices.permute(1, 2, 0)).permute(2, 0, 1)
    torch.testing.assert_close(found, torch.linalg.inv(matrices))


@pytest.mark.parametrize("size", [(3, 30), (40, 17), (1, 9)])
def test_resampling_is_bilinear_interpolation(size):
    maps = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(3))
    rows = resample(maps, torch.arange(size[0]), size[0], 1)
    found = resample(rows, torch.arange(size[1]), size[1], 2)
    torch.testing.assert_close(found, F.interpolate(maps[None], size=size, mode="bilinear")[0])


def test_bands_do_not_show(monkeypatch):
    g = torch.Generator().manual_seed(4)
    scores, image = torch.rand(4, 6, 8, generator=g), torch.rand(3, 90, 70, generator=g)
    whole = draw_labels(scores, image)
    monkeypatch.setattr("acseg.concepts.guided.BAND", 13 * 70)
    assert torch.equal(draw_labels(scores, image), whole)


def test_bytes_layouts_and_one_concept():
    g = torch.Generator().manual_seed(5)
    scores = torch.rand(3, 6, 8, generator=g)
    image = torch.randint(256, (84, 112, 3), dtype=torch.uint8, generator=g)
    drawn = draw_labels(scores, image.permute(2, 0, 1))
    again = draw_labels(scores.half(), (image.float() / 255).permute(2, 0, 1).contiguous())
    assert (drawn == again).float().mean() > 0.99
    assert int(draw_labels(scores[:1], image.permute(2, 0, 1)).max()) == 0
    assert draw_labels(torch.rand(2, 1, 1), torch.rand(3, 1, 1)).shape == (1, 1)


@pytest.mark.parametrize(
    ("scores", "image"),
    [
        (torch.ones(2, 3), torch.ones(3, 4, 4)),
        (torch.ones(2, 3, 3), torch.ones(4, 4, 3)),
        (torch.ones(0, 3, 3), torch.ones(3, 4, 4)),
    ],
)
def test_other_shapes_are_refused(scores, image):
    with pytest.raises(ValueError, match="must be"):
        draw_labels(scores, image)
