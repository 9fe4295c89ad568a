import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from acseg.errors import ModelError
from acseg.training import checkpoint as module
from acseg.training.checkpoint import load_checkpoint, save_checkpoint

SETTINGS: dict[str, Any] = {"steps": 9, "rate": 0.1, "crop": (0.3, 1.0)}


def made(seed: int, width: int = 4) -> tuple[dict[str, nn.Module], torch.optim.AdamW]:
    torch.manual_seed(seed)
    networks: dict[str, nn.Module] = {
        "student": nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2)),
        "teacher": nn.Linear(3, 2),
    }
    return networks, torch.optim.AdamW(networks["student"].parameters(), lr=0.1)


def take_steps(
    networks: dict[str, nn.Module], optimiser: torch.optim.Optimizer, count: int
) -> None:
    for _ in range(count):
        optimiser.zero_grad()
        networks["student"](torch.linspace(-1, 1, 15).view(5, 3)).square().sum().backward()
        optimiser.step()


def save(path: Path, seed: int = 0) -> tuple[dict[str, nn.Module], torch.optim.AdamW]:
    networks, optimiser = made(seed)
    take_steps(networks, optimiser, 3)
    save_checkpoint(path, 3, networks, optimiser, SETTINGS)
    return networks, optimiser


def same(one: dict[str, nn.Module], other: dict[str, nn.Module]) -> bool:
    return all(
        torch.equal(value, other[name].state_dict()[key])
        for name, network in one.items()
        for key, value in network.state_dict().items()
    )


def test_without_a_checkpoint_a_training_starts_at_0(tmp_path: Path) -> None:
    networks, optimiser = made(0)
    before = {key: value.clone() for key, value in networks["student"].state_dict().items()}
    assert load_checkpoint(tmp_path / "c.safetensors", networks, optimiser, SETTINGS) == 0
    for key, value in networks["student"].state_dict().items():
        assert torch.equal(value, before[key])


def test_a_checkpoint_gives_back_networks_optimiser_and_step(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "c.safetensors"
    networks, optimiser = save(path)
    others, theirs = made(1)
    assert not same(networks, others)
    assert load_checkpoint(path, others, theirs, SETTINGS) == 3
    assert same(networks, others)
    take_steps(networks, optimiser, 4)
    take_steps(others, theirs, 4)  # equal only if the moments came back too
    assert same(networks, others)


def test_a_weight_that_never_had_a_gradient_is_no_obstacle(tmp_path: Path) -> None:
    networks, optimiser = made(0)
    save_checkpoint(tmp_path / "c.safetensors", 1, networks, optimiser, SETTINGS)
    others, theirs = made(1)
    assert load_checkpoint(tmp_path / "c.safetensors", others, theirs, SETTINGS) == 1
    assert not theirs.state
    take_steps(others, theirs, 1)


@pytest.mark.parametrize("keep", [0, 5, 200, -1])
def test_a_truncated_checkpoint_is_refused_with_what_to_do(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "c.safetensors"
    save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"cannot read .*c\.safetensors.*delete it to start anew"):
        load_checkpoint(path, *made(1), SETTINGS)


@pytest.mark.parametrize(
    "notes", [None, {}, {"step": "x", "settings": "{}"}, {"step": "1", "settings": "{"}]
)
def test_a_file_that_is_no_checkpoint_is_refused(
    tmp_path: Path, notes: dict[str, str] | None
) -> None:
    path = tmp_path / "c.safetensors"
    save_file({"x": torch.zeros(2)}, path, metadata=notes)
    with pytest.raises(ModelError, match="delete it to start anew"):
        load_checkpoint(path, *made(0), SETTINGS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rate": 0.2}, "rate = 0.1, now rate = 0.2"),
        ({"crop": (0.5, 1.0)}, r"crop = \[0.3, 1.0\], now crop = \[0.5, 1.0\]"),
        ({"new": 1}, "new = None, now new = 1"),
        ({"steps": 12}, "steps = 9, now steps = 12"),
    ],
)
def test_other_settings_are_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = tmp_path / "c.safetensors"
    save(path)
    with pytest.raises(ModelError, match=said):
        load_checkpoint(path, *made(1), SETTINGS | changes)


def test_settings_that_may_change_may_change(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save(path)
    more = SETTINGS | {"steps": 12}
    assert load_checkpoint(path, *made(1), more, may_change=("steps",)) == 3


def test_networks_of_another_shape_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save(path)
    with pytest.raises(ModelError, match="does not fit") as caught:
        load_checkpoint(path, *made(1, width=5), SETTINGS)
    assert "\n" not in str(caught.value)


def test_saving_leaves_the_training_alone_and_writes_step_and_settings(tmp_path: Path) -> None:
    from safetensors import safe_open

    path = tmp_path / "c.safetensors"
    networks, optimiser = save(path)
    first = load_file(path)
    save_checkpoint(path, 3, networks, optimiser, SETTINGS)
    assert all(torch.equal(value, first[key]) for key, value in load_file(path).items())
    with safe_open(path, framework="pt") as handle:
        notes = handle.metadata()
    assert notes["step"] == "3"
    assert json.loads(notes["settings"]) == {"steps": 9, "rate": 0.1, "crop": [0.3, 1.0]}
    tensors = load_file(path)
    assert torch.equal(tensors["teacher.weight"], networks["teacher"].state_dict()["weight"])
    assert "exp_avg.0.weight" in tensors
    assert "exp_avg.weight" not in tensors  # the second network has no optimiser


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.safetensors"
    networks, optimiser = save(path)
    before = path.read_bytes()

    def full(*_: object, **__: object) -> bytes:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(module, "to_bytes", full)
        with pytest.raises(OSError, match="no space left"):
            save_checkpoint(path, 4, networks, optimiser, SETTINGS)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
