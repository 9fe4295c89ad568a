import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from acseg.errors import ModelError
from acseg.model.folder import (
    FORMAT,
    ModelFolder,
    read_model_folder,
    write_model_folder,
    write_names,
)
from acseg.model.settings import Settings


def a_run(centres: np.ndarray | None = None) -> ModelFolder:
    weights = {"prototypes": np.arange(6, dtype=np.float32).reshape(2, 3).T}  # not contiguous
    return ModelFolder(
        Settings.of({"concepts": 3, "division": "generator"}),
        weights,
        centres,
        "mean",
        {1: "road", 10: "Straße"},
    )


@pytest.mark.parametrize("classes", [False, True])
def test_a_run_comes_back_as_it_was(tmp_path: Path, classes: bool) -> None:
    centres = np.eye(4, dtype=np.float32)[:2] if classes else None
    run = a_run(centres)
    write_model_folder(tmp_path / "new" / "run", run, notes={"pictures": 3})
    found = read_model_folder(tmp_path / "new" / "run")
    assert found.settings == run.settings
    assert found.names == run.names
    assert found.generator.keys() == run.generator.keys()
    np.testing.assert_array_equal(found.generator["prototypes"], run.generator["prototypes"])
    if centres is None:
        assert found.centres is None
    else:
        np.testing.assert_array_equal(found.centres, centres)


def test_config_says_format_settings_names_and_notes(tmp_path: Path) -> None:
    write_model_folder(tmp_path, a_run(), notes={"pictures": 3})
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert sorted(config) == ["foreground", "format", "names", "notes", "settings"]
    assert config["format"] == FORMAT
    assert config["names"] == {"1": "road", "10": "Straße"}
    assert config["notes"] == {"pictures": 3}
    assert config["settings"]["dividing"]["concepts"] == 3


def test_merges_and_drops_come_back_and_old_runs_have_none(tmp_path: Path) -> None:
    run = a_run(np.eye(3, dtype=np.float32))
    write_model_folder(tmp_path, run, notes={"pictures": 3})
    assert "becomes" not in json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert read_model_folder(tmp_path).becomes == {}
    write_names(tmp_path, {2: "Straße"}, {3: 1, 2: 255})
    found = read_model_folder(tmp_path)
    assert (found.names, found.becomes) == ({2: "Straße"}, {2: 255, 3: 1})
    np.testing.assert_array_equal(found.centres, run.centres)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert list(config) == ["format", "settings", "foreground", "names", "becomes", "notes"]
    assert config["notes"] == {"pictures": 3}
    write_names(tmp_path, {}, {})
    assert read_model_folder(tmp_path).becomes == {}
    write_model_folder(tmp_path / "copy", found)
    assert read_model_folder(tmp_path / "copy").becomes == found.becomes


def test_names_are_written_only_into_a_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no model folder"):
        write_names(tmp_path, {1: "road"}, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "becomes",
    [
        [],
        {"a": 1},
        {"9": 1},
        {"1": 9},
        {"1": "2"},
        {"1": True},
        {"1": 1},
        {"1": 2, "2": 3},
        {"-1": 0},
    ],
)
def test_merges_that_make_no_sense_are_named(tmp_path: Path, becomes: object) -> None:
    write_model_folder(tmp_path, a_run(np.eye(3, dtype=np.float32)))
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(config | {"becomes": becomes}))
    with pytest.raises(ModelError, match=r"config\.json: .*becomes"):
        read_model_folder(tmp_path)


def test_a_run_without_classes_takes_those_of_an_older_one_away(tmp_path: Path) -> None:
    write_model_folder(tmp_path, a_run(np.eye(2, dtype=np.float32)))
    write_model_folder(tmp_path, a_run())
    assert read_model_folder(tmp_path).centres is None
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["config.json", "generator.safetensors"]


def test_a_write_that_breaks_off_leaves_no_folder_that_passes_for_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model_folder(tmp_path, a_run())

    def full(path: Path, data: bytes) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("acseg.model.folder.write_atomic", full)
    with pytest.raises(OSError, match="disk full"):
        write_model_folder(tmp_path, a_run())
    with pytest.raises(ModelError, match="is no model folder"):
        read_model_folder(tmp_path)


def test_a_folder_that_is_no_run_says_how_to_make_one(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ModelError, match=f"{folder} is no model folder.*acseg fit"):
            read_model_folder(folder)


def test_a_file_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match=r"cannot read .*config\.json"):
        read_model_folder(tmp_path / "file")


def config(changes: dict[str, object], **more: object) -> str:
    """Write a config.json with other settings and entries."""
    return json.dumps({"format": FORMAT, "settings": Settings().to_json() | changes, **more})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot read"),
        ("\xff", "cannot read"),
        ("[]", "of format None"),
        ('{"format": 1, "settings": {}}', "of format 1, this acseg reads format 2"),
        ('{"format": 2}', "another acseg"),
        ('{"format": 2, "settings": {"future": 1}}', "settings lack 'encoding'"),
        (config({"seed": -1}), "seed must be"),
        (config({}, names=[]), "table of names"),
        (config({}, names={"a": "b"}), "whole numbers"),
        (config({}, foreground="auto"), "foreground must be sum, mean or none"),
    ],
)
def test_a_broken_config_is_named(tmp_path: Path, text: str, words: str) -> None:
    write_model_folder(tmp_path, a_run())
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=words) as caught:
        read_model_folder(tmp_path)
    assert "config.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["generator.safetensors", "classes.safetensors"])
@pytest.mark.parametrize("keep", [0, 7, -5])
def test_truncated_tensors_are_named(tmp_path: Path, name: str, keep: int) -> None:
    write_model_folder(tmp_path, a_run(np.eye(2, dtype=np.float32)))
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=f"cannot read .*{name}"):
        read_model_folder(tmp_path)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    write_model_folder(tmp_path, a_run())
    (tmp_path / "generator.safetensors").unlink()
    with pytest.raises(ModelError, match=r"cannot read .*generator\.safetensors"):
        read_model_folder(tmp_path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["generator.safetensors", "classes.safetensors"])
def test_numbers_that_are_not_finite_are_named(tmp_path: Path, name: str, bad: float) -> None:
    write_model_folder(tmp_path, a_run(np.eye(2, dtype=np.float32)))
    key = "prototypes" if name.startswith("generator") else "centres"
    save_file({key: np.array([[1, bad]], dtype=np.float32)}, tmp_path / name)
    with pytest.raises(ModelError, match=f"{name}: {key} holds numbers that are not finite"):
        read_model_folder(tmp_path)


@pytest.mark.parametrize(
    "tensors",
    [
        {"other": np.ones((2, 3), np.float32)},
        {"centres": np.ones(3, np.float32)},
        {"centres": np.ones((0, 3), np.float32)},
        {"centres": np.ones((255, 1), np.float32)},
    ],
)
def test_centres_of_another_shape_are_named(tmp_path: Path, tensors: dict) -> None:
    write_model_folder(tmp_path, a_run())
    save_file(tensors, tmp_path / "classes.safetensors")
    with pytest.raises(ModelError, match=r"classes\.safetensors: expected centres \(C, D\)"):
        read_model_folder(tmp_path)
