import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from acseg.concepts.modularity import modularity_loss
from acseg.errors import DataError, ModelError
from acseg.model.settings import Settings
from acseg.training import loop
from acseg.training.loop import fit_generator, learning_rate, mean_used

TINY: dict[str, Any] = {
    "concepts": 3,
    "steps": 7,
    "batch": 2,
    "warmup": 2,
    "sample": 10,
    "learning_rate": 1e-3,
}


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    """(5, 12, 8) float16: pictures of two or three groups of pixels."""
    random = np.random.default_rng(0)
    centres = random.normal(0, 3, (5, 3, 8))
    groups = random.integers(0, 3, (5, 12))
    pixels = np.take_along_axis(centres, groups[..., None], axis=1)
    return (pixels + random.normal(0, 0.5, pixels.shape)).astype(np.float16)


ALL = np.arange(5)


def weights(generator: torch.nn.Module) -> dict[str, torch.Tensor]:
    return generator.state_dict()


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


@hypothesis_settings(deadline=None, max_examples=100)
@given(steps=st.integers(1, 300), warmup=st.integers(0, 400), data=st.data())
def test_learning_rate_follows_the_plain_formula(
    steps: int, warmup: int, data: st.DataObject
) -> None:
    step = data.draw(st.integers(0, steps - 1))
    rate = learning_rate(step, Settings(steps=steps, warmup=warmup, learning_rate=0.25))
    rising = min(warmup, steps)
    if step < rising:
        expected = 0.25 * (step + 1) / rising
    else:
        angle = math.pi * (step - rising) / (steps - rising)
        expected = 0.25 * (math.cos(angle) + 1) / 2
    assert rate == pytest.approx(expected)
    assert 0 < rate <= 0.25


def test_the_draw_of_a_step_depends_on_seed_and_step_alone(features: np.ndarray) -> None:
    settings = Settings(**TINY)
    first = loop._draw(features, ALL, settings, 3)
    assert first.shape == (2, 10, 8)
    assert first.dtype == torch.float32
    loop._draw(features, ALL, settings, 4)
    np.random.seed(9)  # noqa: NPY002 - what others draw must not matter
    torch.manual_seed(9)
    assert torch.equal(loop._draw(features, ALL, settings, 3), first)
    assert not torch.equal(loop._draw(features, ALL, settings, 4), first)
    assert not torch.equal(loop._draw(features, ALL, Settings(**TINY, seed=1), 3), first)


def test_a_draw_takes_different_pictures_and_different_pixels(features: np.ndarray) -> None:
    numbered = np.arange(5 * 12, dtype=np.float32).reshape(5, 12, 1)
    for step in range(20):
        drawn = loop._draw(numbered, np.array([0, 2, 3]), Settings(**TINY), step).flatten(1)
        pictures = (drawn // 12).long()
        assert (pictures == pictures[:, :1]).all()  # a row is one picture
        assert set(pictures[:, 0].tolist()) < {0, 2, 3}
        assert len(set(pictures[:, 0].tolist())) == 2
        assert all(len(set(row.tolist())) == 10 for row in drawn)


def test_fewer_pictures_and_pixels_than_asked_are_all_taken(features: np.ndarray) -> None:
    drawn = loop._draw(features, np.array([1, 4]), Settings(**TINY | {"batch": 9, "sample": 99}), 0)
    np.testing.assert_array_equal(drawn.numpy(), features[[1, 4]].astype(np.float32))


def test_training_lowers_the_loss_on_all_pixels(features: np.ndarray) -> None:
    settings = Settings(**TINY | {"steps": 60, "batch": 5, "sample": 12})
    start, _ = fit_generator(features, ALL, Settings(**TINY | {"steps": 1, "learning_rate": 0.0}))
    trained, diary = fit_generator(features, ALL, settings)
    pixels = torch.from_numpy(features.astype(np.float32))
    assert modularity_loss(pixels, trained(pixels)) < modularity_loss(pixels, start(pixels)) - 0.01
    assert [line["step"] for line in diary] == list(range(1, 61))
    assert not trained.training
    assert not any(weight.requires_grad for weight in trained.parameters())


def test_the_same_seed_gives_the_same_weights(features: np.ndarray) -> None:
    one, _ = fit_generator(features, ALL, Settings(**TINY))
    torch.manual_seed(77)
    other, _ = fit_generator(features, ALL, Settings(**TINY))
    third, _ = fit_generator(features, ALL, Settings(**TINY, seed=1))
    assert same(one, other)
    assert not same(one, third)


class Killed(Exception):
    pass


@pytest.mark.parametrize("at", [1, 3, 5, 7])
def test_a_killed_training_goes_on_to_the_same_weights(
    features: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_STEPS", 2)
    settings = Settings(**TINY)
    whole, diary = fit_generator(features, ALL, settings)
    seen: list[int] = []

    def kill(step: int, steps: int, loss: float, used: float) -> None:
        seen.append(step)
        if step == at and len(seen) == at:
            raise Killed

    with pytest.raises(Killed):
        fit_generator(features, ALL, settings, state=tmp_path, progress=kill)
    again, kept = fit_generator(features, ALL, settings, state=tmp_path, progress=kill)
    assert same(whole, again)
    assert kept == diary
    assert seen[at] == (at - 1) // 2 * 2 + 1  # went on after the last checkpoint
    lines = (tmp_path / "training.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == diary


def test_a_finished_training_is_not_repeated(features: np.ndarray, tmp_path: Path) -> None:
    first, diary = fit_generator(features, ALL, Settings(**TINY), state=tmp_path)
    steps: list[int] = []
    again, kept = fit_generator(
        features,
        ALL,
        Settings(**TINY),
        state=tmp_path,
        progress=lambda step, steps_, loss, used: steps.append(step),
    )
    assert steps == []
    assert same(first, again)
    assert kept == diary


@pytest.mark.parametrize(("name", "value"), [("batch", 3), ("seed", 4), ("steps", 8)])
def test_a_checkpoint_of_other_settings_is_refused(
    features: np.ndarray, tmp_path: Path, name: str, value: int
) -> None:
    fit_generator(features, ALL, Settings(**TINY), state=tmp_path)
    with pytest.raises(ModelError, match=rf"{name} = .*, now {name} = {value}; use the same"):
        fit_generator(features, ALL, Settings(**TINY | {name: value}), state=tmp_path)


def test_a_checkpoint_of_other_pictures_is_refused(features: np.ndarray, tmp_path: Path) -> None:
    fit_generator(features, ALL, Settings(**TINY), state=tmp_path)
    with pytest.raises(ModelError, match="pictures = 5, now pictures = 3"):
        fit_generator(features, ALL[:3], Settings(**TINY), state=tmp_path)


def test_nothing_to_train_on_is_said(features: np.ndarray) -> None:
    with pytest.raises(DataError, match="nothing to train on"):
        fit_generator(features, ALL[:0], Settings(**TINY))


def test_mean_used_counts_the_concepts_that_own_a_pixel() -> None:
    concepts = torch.eye(3).expand(2, 3, 3)
    pixels = torch.stack([torch.eye(3)[[0, 0, 1, 1]], torch.eye(3)[[2, 2, 2, 2]]])
    assert mean_used(pixels, concepts) == pytest.approx((2 + 1) / 2)
