import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from acseg.errors import DataError, RunError
from acseg.pretraining import loop
from acseg.pretraining.loop import follow, pretrain, write_backbone
from acseg.pretraining.network import Network, Student, new_vit
from acseg.pretraining.photos import Photos
from acseg.pretraining.settings import PretrainSettings

Tiny = Callable[..., PretrainSettings]


class Killed(Exception):
    pass


def kill_at(step: int) -> Callable[[int, int, dict[str, float]], None]:
    def progress(done: int, steps: int, losses: dict[str, float]) -> None:
        if done == step:
            raise Killed

    return progress


def train(photos: Photos, out: Path, settings: PretrainSettings, **more: Any) -> Path:
    return pretrain(photos, out, settings, device="cpu", **more)


def weights(out: Path) -> bytes:
    return (out / "model.safetensors").read_bytes()


def diary(out: Path) -> list[dict[str, Any]]:
    lines = (out / "pretraining.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_the_folder_loads_with_transformers_alone(
    photos: Photos, tiny: Tiny, tmp_path: Path
) -> None:
    from transformers import AutoModel, ViTModel

    out = train(photos, tmp_path / "bb", tiny())
    assert {p.name for p in out.iterdir()} == {
        *("config.json", "model.safetensors", "preprocessor_config.json"),
        *("pretraining.json", "pretraining.jsonl", "state"),
    }
    images = torch.randn(1, 3, 32, 32)
    model, report = ViTModel.from_pretrained(
        out, add_pooling_layer=False, dtype=torch.float32, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    auto = AutoModel.from_pretrained(out, dtype=torch.float32)
    assert auto.config.model_type == "vit"
    with torch.no_grad():
        tokens = model.eval()(images).last_hidden_state
        torch.testing.assert_close(auto.eval()(images).last_hidden_state, tokens)
    assert tokens.shape == (1, 17, 16)
    assert bool(tokens.isfinite().all())
    stored = load_file(out / "model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16}
    assert json.loads((out / "pretraining.json").read_text())["steps"] == 4


def test_the_folder_loads_as_a_backbone_that_normalises_as_in_training(
    photos: Photos, tiny: Tiny, tmp_path: Path
) -> None:
    from transformers import ViTModel

    from acseg.backbone.load import load_backbone

    out = train(photos, tmp_path / "bb", tiny())
    images = torch.rand(1, 3, 32, 32)
    backbone = load_backbone(str(out), device="cpu", precision="float32")
    network = Network(ViTModel.from_pretrained(out, add_pooling_layer=False, dtype=torch.float32))
    with torch.no_grad():
        expected = network.eval()(images)[1]
    found = backbone(images)
    assert found.grid == (4, 4)
    torch.testing.assert_close(found.tokens, expected, atol=1e-4, rtol=1e-4)


def test_the_diary_has_a_line_a_step_with_finite_losses(
    photos: Photos, tiny: Tiny, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    out = train(
        photos, tmp_path / "bb", tiny(), progress=lambda step, of, _: told.append((step, of))
    )
    lines = diary(out)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for line in lines:
        assert {"affinity", "picture"} <= set(line)
        assert all(np.isfinite(value) for value in line.values())


@pytest.mark.parametrize("collage", [0.0, 0.7])
def test_a_killed_training_goes_on_to_the_bytes_of_an_undisturbed_one(
    photos: Photos, tiny: Tiny, tmp_path: Path, collage: float
) -> None:
    chosen = tiny(steps=5, collage=collage)
    whole = train(photos, tmp_path / "whole", chosen, save_every=2)
    out = tmp_path / "killed"
    with pytest.raises(Killed):
        train(photos, out, chosen, save_every=2, progress=kill_at(3))
    assert [line["step"] for line in diary(out)] == [1, 2]
    torch.rand(7)  # whatever else draws at random in between
    resumed: list[int] = []
    train(photos, out, chosen, save_every=2, progress=lambda step, *_: resumed.append(step))
    assert resumed == [3, 4, 5]
    assert weights(out) == weights(whole)
    state, expected = (load_file(f / "state" / "checkpoint.safetensors") for f in (out, whole))
    assert state.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in state.items())
    assert [line["step"] for line in diary(out)] == [1, 2, 3, 4, 5]
    assert [line["affinity"] for line in diary(out)] == [line["affinity"] for line in diary(whole)]


@pytest.mark.parametrize("victim", ["write_backbone", "save_checkpoint"])
def test_a_training_killed_while_it_writes_its_last_files_writes_them_when_called_again(
    photos: Photos, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    chosen = tiny(steps=2)
    whole = train(photos, tmp_path / "whole", chosen)

    def killed(*_: Any) -> None:
        raise Killed

    out = tmp_path / "killed"
    with monkeypatch.context() as patched:
        patched.setattr(loop, victim, killed)
        with pytest.raises(Killed):
            train(photos, out, chosen)
    train(photos, out, chosen)
    assert weights(out) == weights(whole)
    assert (out / "config.json").exists()
    assert [line["step"] for line in diary(out)] == [1, 2]


def test_a_failing_probe_costs_neither_the_checkpoint_nor_the_diary(
    photos: Photos, tiny: Tiny, tmp_path: Path
) -> None:
    out = tmp_path / "bb"

    def failing(folder: Path) -> dict[str, float]:
        raise Killed

    with pytest.raises(Killed):
        train(photos, out, tiny(), save_every=2, probe=failing)
    assert [line["step"] for line in diary(out)] == [1, 2]
    resumed: list[int] = []
    train(photos, out, tiny(), progress=lambda step, *_: resumed.append(step))
    assert resumed == [3, 4]


def test_probes_stand_in_the_diary_at_each_checkpoint(
    photos: Photos, tiny: Tiny, tmp_path: Path
) -> None:
    seen: list[Path] = []

    def probe(folder: Path) -> dict[str, float]:
        assert (folder / "model.safetensors").exists()
        seen.append(folder)
        return {"set": 0.5}

    out = train(photos, tmp_path / "bb", tiny(steps=3), save_every=2, probe=probe)
    assert seen == [out, out]
    assert [line.get("probe") for line in diary(out)] == [None, {"set": 0.5}, {"set": 0.5}]


def test_more_steps_go_on_from_a_finished_training(
    photos: Photos, tiny: Tiny, tmp_path: Path
) -> None:
    constant = {"warmup": 0.0, "cooldown": 0.0}
    straight = train(photos, tmp_path / "straight", tiny(steps=4, **constant))
    out = tmp_path / "longer"
    train(photos, out, tiny(steps=2, **constant))
    train(photos, out, tiny(steps=4, **constant))
    assert weights(out) == weights(straight)


def test_a_finished_training_called_again_changes_nothing(
    photos: Photos, tiny: Tiny, tmp_path: Path
) -> None:
    out = train(photos, tmp_path / "bb", tiny(steps=2))
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    train(photos, out, tiny(steps=2))
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("changes", [{"seed": 1}, {"crop": (0.5, 1.0)}, {"figure_slope": 4.0}])
def test_other_settings_are_refused(
    photos: Photos, tiny: Tiny, tmp_path: Path, changes: dict[str, Any]
) -> None:
    out = train(photos, tmp_path / "bb", tiny(steps=1))
    name = next(iter(changes))
    with pytest.raises(RunError, match=f"made with {name} = .*another output folder"):
        train(photos, out, tiny(steps=1, **changes))


def test_fewer_steps_than_were_taken_are_refused(
    photos: Photos, tiny: Tiny, tmp_path: Path
) -> None:
    out = train(photos, tmp_path / "bb", tiny(steps=3))
    with pytest.raises(RunError, match="has taken 3 steps already, and 2 are asked for"):
        train(photos, out, tiny(steps=2))


def test_a_truncated_checkpoint_is_refused(photos: Photos, tiny: Tiny, tmp_path: Path) -> None:
    out = train(photos, tmp_path / "bb", tiny(steps=1))
    path = out / "state" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RunError, match="delete it to start anew"):
        train(photos, out, tiny(steps=1))


def test_a_side_that_the_patch_does_not_divide_is_refused(
    photos: Photos, tiny: Tiny, tmp_path: Path
) -> None:
    with pytest.raises(
        DataError, match="side = 36: expected a multiple of the patch of the ViT, 8"
    ):
        train(photos, tmp_path / "bb", tiny(side=36))


def test_collages_change_what_is_learned(photos: Photos, tiny: Tiny, tmp_path: Path) -> None:
    plain = train(photos, tmp_path / "plain", tiny(steps=2))
    collages = train(photos, tmp_path / "collages", tiny(steps=2, collage=1.0))
    assert weights(plain) != weights(collages)


def test_another_seed_gives_other_weights(photos: Photos, tiny: Tiny, tmp_path: Path) -> None:
    one = train(photos, tmp_path / "one", tiny(steps=1))
    other = train(photos, tmp_path / "other", tiny(steps=1, seed=1))
    assert weights(one) != weights(other)


@pytest.mark.parametrize("loss", ["affinity", "region", "picture"])
def test_every_loss_falls_below_that_of_an_untrained_network_on_the_same_views(
    curves: dict[float, list[dict[str, Any]]], loss: str
) -> None:
    last = {rate: np.mean([line[loss] for line in lines[-10:]]) for rate, lines in curves.items()}
    assert last[3e-3] < 0.75 * last[1e-12]


@pytest.fixture(scope="module")
def curves(
    photos: Photos, tmp_path_factory: pytest.TempPathFactory
) -> dict[float, list[dict[str, Any]]]:
    """Diaries of 30 steps that learn, and of 30 that do not."""
    shape = {"dim": 16, "layers": 2, "heads": 2, "patch": 8, "side": 32, "batch": 6, "steps": 30}
    more = {"warmup": 0.05, "strength": 0.0, "crop": (0.6, 1.0)}
    return {
        rate: diary(
            train(
                photos,
                tmp_path_factory.mktemp("curve"),
                PretrainSettings(learning_rate=rate, **(shape | more)),  # type: ignore[arg-type]
            )
        )
        for rate in (1e-12, 3e-3)
    }


def test_a_training_from_a_vit_starts_at_its_weights(
    photos: Photos, tiny: Tiny, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    start = new_vit(32, 1, 2, 16, 64)  # another shape than the settings say
    before = {name: value.clone() for name, value in start.state_dict().items()}
    still = tiny(steps=1, learning_rate=1e-12)
    out = train(photos, tmp_path / "bb", still, start=start)
    after = load_file(out / "model.safetensors")
    assert set(after) == set(before)
    for name, value in before.items():
        torch.testing.assert_close(after[name].float(), value, atol=1e-3, rtol=1e-3)
    assert json.loads((out / "config.json").read_text())["patch_size"] == 16


def test_the_teacher_is_the_running_mean_of_the_student() -> None:
    torch.manual_seed(0)
    student, teacher = Student(new_vit(16, 1, 2, 8, 32)), Network(new_vit(16, 1, 2, 8, 32))
    before = {name: value.clone() for name, value in teacher.named_parameters()}
    follow(teacher, student, 0.75)
    theirs = dict(student.named_parameters())
    for name, value in teacher.named_parameters():
        torch.testing.assert_close(value, 0.75 * before[name] + 0.25 * theirs[name])


def test_the_written_config_names_the_model_and_not_how_it_was_trained(tmp_path: Path) -> None:
    vit = new_vit(16, 1, 2, 8, 32)
    vit.set_attn_implementation("eager")
    write_backbone(vit, tmp_path)
    text = (tmp_path / "config.json").read_text()
    config = json.loads(text)
    assert config["architectures"] == ["ViTModel"]
    assert config["model_type"] == "vit"
    assert config["hidden_size"] == 16
    assert "eager" not in text


def test_the_folder_names_no_path_of_the_machine(tmp_path: Path) -> None:
    vit = new_vit(32, 1, 2, 8, 32)
    vit.config._name_or_path = str(tmp_path / "start")
    write_backbone(vit, tmp_path / "out")
    for file in (tmp_path / "out").glob("*.json"):
        assert str(tmp_path) not in file.read_text()
