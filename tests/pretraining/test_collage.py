import pytest
import torch

from acseg.pretraining.collage import Collage, collage_target, make_collage, no_collage
from acseg.pretraining.views import View

SIDE, PATCH, CELLS = 32, 8, 16


def view_of(cuts: torch.Tensor) -> View:
    """Views of one grey level each, so that a pixel tells where it came from."""
    count = len(cuts)
    level = torch.arange(count, dtype=torch.float32) / count
    images = level.view(-1, 1, 1, 1).expand(count, 3, SIDE, SIDE).contiguous()
    zeros = torch.zeros(count, 1, CELLS, dtype=torch.int64)
    return View(images, zeros, torch.zeros(count, CELLS), cuts)


def left_halves(count: int) -> torch.Tensor:
    cuts = torch.zeros(count, SIDE, SIDE, dtype=torch.bool)
    cuts[:, :, : SIDE // 2] = True
    return cuts


def test_without_a_collage_the_view_is_its_own() -> None:
    view = view_of(left_halves(3))
    plain = no_collage(view)
    assert torch.equal(plain.images, view.images)
    assert plain.pieces == 1
    assert not plain.piece.any()


def test_a_share_of_none_changes_nothing() -> None:
    view = view_of(left_halves(4))
    collage = make_collage(view, share=0.0)
    assert torch.equal(collage.images, view.images)
    assert not collage.piece.any()


def test_a_cut_out_brings_its_pixels_and_its_number() -> None:
    view = view_of(left_halves(4))
    collage = make_collage(view, share=1.0, pastes=1)
    assert collage.pieces == 2
    for i in range(4):
        grid = collage.piece[i].view(4, 4)
        assert grid[:, :2].eq(1).all()
        assert grid[:, 2:].eq(0).all()
        assert collage.images[i, 0, 5, 2] == view.images[i - 1, 0, 0, 0]
        assert collage.images[i, 0, 5, -2] == view.images[i, 0, 0, 0]


def test_only_the_edge_of_a_cut_out_is_soft() -> None:
    view = view_of(left_halves(2))
    row = make_collage(view, share=1.0, pastes=1).images[1, 0, 10]
    own, pasted = view.images[1, 0, 0, 0], view.images[0, 0, 0, 0]
    assert row[: SIDE // 2 - 1].eq(pasted).all()
    assert row[SIDE // 2 + 1 :].eq(own).all()
    assert pasted < row[SIDE // 2 - 1] < row[SIDE // 2] < own


def test_a_later_cut_out_covers_an_earlier_one() -> None:
    view = view_of(left_halves(3))
    collage = make_collage(view, share=1.0, pastes=2)
    assert set(collage.piece.unique().tolist()) == {0, 2}
    assert collage.images[2, 0, 0, 0] == view.images[0, 0, 0, 0]


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_about_that_share_of_views_gets_a_cut_out(share: float) -> None:
    torch.manual_seed(0)
    collage = make_collage(view_of(left_halves(600)), share=share, pastes=1)
    assert float(collage.piece.any(1).float().mean()) == pytest.approx(share, abs=0.06)


def test_the_target_of_a_collage_by_its_plain_formula() -> None:
    torch.manual_seed(1)
    target = torch.rand(4, CELLS, CELLS, dtype=torch.float64)
    piece = torch.randint(3, (4, CELLS))
    found = collage_target(target, piece, 3)
    for b in range(4):
        for i in range(CELLS):
            for j in range(CELLS):
                same = piece[b, i] == piece[b, j]
                wanted = target[(b - int(piece[b, i])) % 4, i, j] if same else 0.0
                assert found[b, i, j] == wanted


def test_the_target_of_no_collage_is_the_target() -> None:
    target = torch.rand(2, CELLS, CELLS)
    collage: Collage = no_collage(view_of(left_halves(2)))
    assert torch.equal(collage_target(target, collage.piece, collage.pieces), target)
