import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from acseg.errors import BackboneError, DataError
from acseg.output.lock import locked
from acseg.pretraining.loop import write_backbone
from acseg.pretraining.network import new_vit
from acseg.pretraining.run import open_vit, pretrain_collection


def train(inputs: list[Path], out: Path, recipe: Path, **more: Any) -> list[tuple[str, str]]:
    return pretrain_collection(inputs, out, settings=recipe, workers=1, device="cpu", **more)


@pytest.fixture
def vit(tmp_path: Path) -> Path:
    torch.manual_seed(9)
    write_backbone(new_vit(16, 2, 2, 8, 32), tmp_path / "vit")
    return tmp_path / "vit"


def test_a_collection_becomes_a_backbone(pictures: Path, tmp_path: Path, recipe: Path) -> None:
    told: list[tuple[str, int, int]] = []
    failed = train(
        [pictures, tmp_path / "nowhere"],
        tmp_path / "bb",
        recipe,
        changes={"steps": 3, "seed": None},
        progress=lambda task, done, of, note: told.append((task, done, of)),
    )
    assert [path for path, _ in failed] == [str(tmp_path / "nowhere")]
    assert told[:4] == [("finding regions", i, 4) for i in range(1, 5)]
    assert told[4:] == [("pre-training", i, 3) for i in range(1, 4)]
    kept = json.loads((tmp_path / "bb" / "pretraining.json").read_text())
    assert (kept["dim"], kept["steps"], kept["seed"], kept["crop"]) == (16, 3, 0, [0.5, 1])


def test_an_output_folder_inside_the_input_is_not_trained_on(pictures: Path, recipe: Path) -> None:
    out = pictures / "bb"
    out.mkdir()
    shutil.copy(pictures / "0.png", out / "report.png")
    counts: list[int] = []
    train([pictures], out, recipe, progress=lambda task, done, of, note: counts.append(of))
    assert counts[0] == 4


def test_a_training_goes_on_from_a_folder(
    pictures: Path, tmp_path: Path, recipe: Path, vit: Path
) -> None:
    still = {"learning_rate": 1e-12, "steps": 1}
    train([pictures], tmp_path / "bb", recipe, start=str(vit), changes=still)
    before, after = (load_file(f / "model.safetensors") for f in (vit, tmp_path / "bb"))
    assert set(after) == set(before)
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-3, rtol=1e-3)


def test_a_vit_is_opened_in_float32_with_all_its_weights(vit: Path) -> None:
    opened = open_vit(str(vit))
    for name, value in load_file(vit / "model.safetensors").items():
        assert torch.equal(opened.state_dict()[name], value.float())


def test_what_cannot_be_continued_from_is_refused_before_anything_is_read(
    pictures: Path, tmp_path: Path, recipe: Path, vit: Path
) -> None:
    def refused(name: Path, said: str) -> None:
        with pytest.raises(BackboneError, match=said):
            train([pictures], tmp_path / "bb", recipe, start=str(name))
        assert not (tmp_path / "bb").exists()

    refused(tmp_path / "nowhere", "there is no folder")
    whole = (vit / "model.safetensors").read_bytes()
    (vit / "model.safetensors").write_bytes(whole[:-50])
    refused(vit, "cannot open the backbone")
    (vit / "model.safetensors").write_bytes(whole)
    config = json.loads((vit / "config.json").read_text())
    (vit / "config.json").write_text(json.dumps(config | {"model_type": "dinov2"}))
    refused(vit, "plain ViT.*is of type 'dinov2'")
    (vit / "config.json").write_text("{")
    refused(vit, "cannot read")


def test_a_probe_folder_is_scored_and_a_wrong_one_refused_before_anything_is_read(
    pictures: Path, tmp_path: Path, recipe: Path, labelled: Path
) -> None:
    out = tmp_path / "bb"
    with pytest.raises(DataError, match="no picture to probe with"):
        train([pictures], out, recipe, probes=[labelled, tmp_path])
    assert not out.exists()
    train([pictures], out, recipe, probes=[labelled])
    lines = [json.loads(line) for line in (out / "pretraining.jsonl").read_text().splitlines()]
    assert "probe" not in lines[0]
    assert 0 < lines[1]["probe"]["labelled"] <= 1


def test_where_no_photograph_can_be_read_the_reasons_are_given(
    tmp_path: Path, recipe: Path
) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"no photograph could be read\..*bad\.jpg: "):
        train([tmp_path / "bad.jpg"], tmp_path / "bb", recipe)


def test_the_command_trains_and_names_the_file_that_could_not_be_read(
    pictures: Path, tmp_path: Path, recipe: Path
) -> None:
    from acseg.cli import app

    (pictures / "bad.jpg").write_bytes(b"this is no photograph")
    out = tmp_path / "bb"
    command = ["pretrain", str(pictures), "-o", str(out), "--settings", str(recipe)]
    command += ["--steps", "1", "--device", "cpu", "--workers", "2"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1, result.output
    failed = [line for line in result.stderr.splitlines() if line.startswith("failed:")]
    assert len(failed) == 1
    assert failed[0].startswith(f"failed: {pictures / 'bad.jpg'}: ")
    assert failed[0].count("bad.jpg") == 1
    assert f"--backbone {out}" in result.stdout
    assert (out / "model.safetensors").exists()


def test_the_command_says_in_one_line_what_is_wrong_with_its_settings(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from acseg.cli import main

    recipe = tmp_path / "wrong.toml"
    recipe.write_text("[pretrain]\nfoo = 1\n")
    with pytest.raises(SystemExit) as caught:
        main(["pretrain", str(pictures), "-o", str(tmp_path / "bb"), "--settings", str(recipe)])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"acseg: {recipe}: no setting 'foo'")
    assert len(said.splitlines()) == 1


def test_a_second_call_into_the_same_folder_is_refused(
    pictures: Path, recipe: Path, tmp_path: Path
) -> None:
    with (
        locked(tmp_path / "out" / "state" / "lock"),
        pytest.raises(DataError, match="is being written by another acseg"),
    ):
        pretrain_collection([pictures], tmp_path / "out", settings=recipe, workers=1)
    assert not (tmp_path / "out" / "config.json").exists()
