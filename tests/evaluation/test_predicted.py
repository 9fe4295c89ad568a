"""Scoring a model on a data set: the protocols, failures, and the crop rule."""

import numpy as np
import pytest
from PIL import Image

from acseg.errors import DataError
from acseg.evaluation.datasets import open_dataset
from acseg.evaluation.predicted import evaluate_predictions


@pytest.fixture
def data(tmp_path):
    """Two pictures whose mask is 1 where the picture is red."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for n, columns in enumerate((4, 10)):
        image = np.zeros((16, 16, 3), np.uint8)
        image[:, :columns, 0] = 255
        Image.fromarray(image).save(tmp_path / "images" / f"{n}.png")
        Image.fromarray((image[..., 0] > 0).astype(np.uint8)).save(tmp_path / "masks" / f"{n}.png")
    return tmp_path


def red(picture):
    """Draw label 5 where the picture is red, else 2: other numbers than the classes."""
    return np.where(picture[..., 0] > 128, 5, 2)


@pytest.mark.parametrize("protocol", ["collection", "overcluster", "image"])
def test_a_perfect_model_has_a_perfect_score(data, protocol):
    seen = []
    result = evaluate_predictions(
        open_dataset("folder", data, "all"), red, protocol, progress=lambda *at: seen.append(at)
    )
    assert result.miou == pytest.approx(1.0)
    assert result.protocol == protocol
    assert seen == [(1, 2), (2, 2)]


def test_half_a_picture_wrong_is_the_score_by_hand(data):
    def half(picture):
        labels = red(picture)
        labels[:8] = 2  # the upper half is all ground
        return labels

    result = evaluate_predictions(open_dataset("folder", data, "all"), half)
    ground, figure = 16 * (12 + 6), 16 * (4 + 10)
    expected = (ground / (ground + figure / 2) + (figure / 2) / figure) / 2
    assert result.miou == pytest.approx(expected)


def test_a_broken_picture_is_named_and_costs_no_other_its_score(data):
    (data / "images" / "0.png").write_bytes(b"not a picture")
    result = evaluate_predictions(open_dataset("folder", data, "all"), red)
    assert result.miou == pytest.approx(1.0)
    assert len(result.failed) == 1
    assert "0" in result.failed[0].path


def test_an_unknown_protocol_is_refused(data):
    with pytest.raises(DataError, match="protocol 'P9' is unknown"):
        evaluate_predictions(open_dataset("folder", data, "all"), red, "P9")
