import math

import pytest
import torch

from acseg.pretraining.network import MEAN, STD, Network, Student, new_vit, sine_positions


def test_sine_positions_are_sines_and_cosines_of_row_and_column() -> None:
    found = sine_positions(8, 3)
    assert found.shape == (9, 8)
    for row in range(3):
        for column in range(3):
            plain = []
            for place in (row, column):
                phases = [place, place / 10]  # waves 100^0 and 100^(-1/2)
                plain += [math.sin(p) for p in phases] + [math.cos(p) for p in phases]
            assert found[3 * row + column].tolist() == pytest.approx(plain, abs=1e-6)


def test_a_new_vit_starts_from_positions_that_tell_all_cells_apart() -> None:
    vit = new_vit(16, 1, 2, 8, 32)
    cells = vit.embeddings.position_embeddings[0, 1:].detach()
    torch.testing.assert_close(cells, 0.5 * sine_positions(16, 4))
    apart = torch.cdist(cells, cells) + torch.eye(16)
    assert float(apart.min()) > 0.05


def test_a_network_gives_cls_and_pixels_of_the_normalised_image_at_any_size() -> None:
    torch.manual_seed(0)
    network = Network(new_vit(16, 1, 2, 8, 32)).eval()
    for side, count in ((32, 16), (48, 36)):
        images = torch.rand(2, 3, side, side)
        cls, pixels = network(images)
        assert cls.shape == (2, 16)
        assert pixels.shape == (2, count, 16)
        plain = network.vit((images - MEAN) / STD, interpolate_pos_encoding=True)[0]
        torch.testing.assert_close(torch.cat([cls[:, None], pixels], 1), plain)


def test_a_student_has_all_that_its_teacher_has_and_predictors() -> None:
    vit = new_vit(16, 1, 2, 8, 32)
    own = set(Student(vit).state_dict()) - set(Network(vit).state_dict())
    assert {name.split(".")[0] for name in own} == {"region_predictor", "picture_predictor"}
