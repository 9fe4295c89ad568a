"""A model from a stranger can do nothing but fail clearly."""

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from acseg import ACSeg, cli
from acseg.errors import AcsegError, BackboneError, ModelError
from acseg.model.folder import read_model_folder, read_settings
from acseg.model.settings import GROUPS, NAMES, Settings

Run = Callable[..., Path]


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a sound model, to be changed."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return Path(shutil.copytree(tiny_run, tmp_path / "run"))


def change(run: Path, **settings: Any) -> None:
    """Write other settings into a model, as a stranger may: without any check."""
    path = run / "config.json"
    config = json.loads(path.read_text())
    for name, value in settings.items():
        group = next((g for g, own in GROUPS.items() if name in own.__dataclass_fields__), None)
        (config["settings"] if group is None else config["settings"][group])[name] = value
    path.write_text(json.dumps(config))


def test_the_copy_itself_is_sound(run: Path) -> None:
    assert ACSeg.from_pretrained(run, device="cpu").centres_ is not None


SOUND = json.dumps({"format": 2, "settings": Settings().to_json()})[:-1]
TEXTS = {
    "empty": "",
    "deep": "[" * 200_000,
    "deep and closed": "[" * 200_000 + "]" * 200_000,
    "deep tables": '{"a":' * 100_000,
    "nan": '{"format": 2, "settings": {"seed": NaN}}',
    "infinite": '{"format": 2, "settings": {"training": {"learning_rate": 1e999}}}',
    "old": '{"format": 1, "settings": {"merge": 0.5}, "names": {}}',
    "new": '{"format": 3}',
    "long number": '{"format": ' + "9" * 100_000 + "}",
    "list": "[1, 2, 3]",
    "text": '"acseg"',
    "null": "null",
    "format list": '{"format": [1]}',
    "settings list": '{"format": 2, "settings": []}',
    "settings text": '{"format": 2, "settings": "rm -rf"}',
    "names number": SOUND + ', "names": 3}',
    "names nested": SOUND + ', "names": {"1": {"a": 1}}}',
    "names far": SOUND + ', "names": {"99999999999999999999": "a"}}',
    "names long": SOUND + ', "names": {"1": "' + "a" * 10**6 + '"}}',
    "surrogate": SOUND.replace('"bundled"', '"\\ud800"') + "}",
    "bytes": "\x00\xff\xfe",
    "pickle": "\x80\x04\x95cposix\nsystem\n(S'true'\ntR.",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_config_that_is_none_is_one_line(run: Path, name: str) -> None:
    (run / "config.json").write_bytes(TEXTS[name].encode("latin-1"))
    with pytest.raises(AcsegError) as caught:
        ACSeg.from_pretrained(run, device="cpu")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert "names" in str(caught.value) or not name.startswith("names")


def test_a_config_of_many_bytes_is_refused_before_it_is_read(run: Path) -> None:
    with (run / "config.json").open("wb") as file:
        file.truncate(2**40)  # sparse: takes no room
    with pytest.raises(ModelError, match=r"config\.json: 1,099,511,627,776 bytes, more than"):
        read_settings(run)


@pytest.mark.parametrize("file", ["config.json", "generator.safetensors", "classes.safetensors"])
@pytest.mark.parametrize("what", ["pipe", "device", "folder", "loop"])
def test_what_is_no_file_is_refused_and_nobody_waits(run: Path, file: str, what: str) -> None:
    (run / file).unlink()
    if what == "pipe":
        os.mkfifo(run / file)
    elif what == "folder":
        (run / file).mkdir()
    else:
        (run / file).symlink_to("/dev/zero" if what == "device" else run / file)
    if (file, what) == ("classes.safetensors", "loop"):
        pytest.skip("a link that leads nowhere is no file: a model without classes")
    with pytest.raises(ModelError, match=file.replace(".", r"\.")):
        read_model_folder(run)


WRONG: list[Any] = [
    *(None, True, -1, 0, 10**9, 2**63, 1e308, -0.5, "", "a", "1", [], [1], {}, {"a": 1}),
    *([[[1]]], "\0", "a" * 10**5),
]


@pytest.mark.parametrize("name", NAMES)
def test_settings_of_wrong_types_and_sizes_are_refused_or_harmless(run: Path, name: str) -> None:
    refused = []
    for value in WRONG:
        change(run, **{name: value})
        try:
            read_model_folder(run)
        except ModelError as error:
            refused.append(str(error))
    assert len(refused) >= 9
    assert all(name in reason and "\n" not in reason for reason in refused)


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc", "/etc", "/dev/zero", "/proc/self", "..", "~root", "~nobody-here",
        "https://example.invalid/model", "file:///etc/passwd", "\\\\host\\share", "c:\\models",
        "a/b/../../c", "$(touch made)", "`touch made`", "; touch made", "--help", "a\0b", "\ud800",
        "x" * 5000, "bundled/../../../etc", "nobody/no-such-model", "timm/../x", "hf-hub:../x", " ",
    ],
)  # fmt: skip
def test_a_backbone_that_is_a_path_or_an_address_is_refused(run: Path, name: str) -> None:
    change(run, backbone=name)
    before = sorted(Path.cwd().iterdir())
    with pytest.raises((BackboneError, ModelError)) as caught:
        ACSeg.from_pretrained(run, device="cpu")
    assert "\n" not in str(caught.value)
    assert sorted(Path.cwd().iterdir()) == before


def header(tensors: dict[str, Any], data: bytes = b"") -> bytes:
    """Put a safetensors file together that claims what it likes."""
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text + data


CLAIMS = {
    "length": struct.pack("<Q", 2**63) + b"{}",
    "no header": b"",
    "header of zeros": bytes(64),
    "absurd shape": header({"p": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]}},
                           bytes(4)),
    "overflow": header({"p": {"dtype": "F32", "shape": [2**62, 8], "data_offsets": [0, 0]}}),
    "beyond the end": header({"p": {"dtype": "F32", "shape": [4], "data_offsets": [0, 2**50]}}),
    "backwards": header({"p": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}}, bytes(16)),
    "negative": header({"p": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}}, bytes(16)),
    "overlap": header({"p": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
                       "q": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, bytes(16)),
    "unknown type": header({"p": {"dtype": "PICKLE", "shape": [4], "data_offsets": [0, 16]}},
                           bytes(16)),
    "bfloat16": header({"p": {"dtype": "BF16", "shape": [8], "data_offsets": [0, 16]}}, bytes(16)),
    "integers": header({"p": {"dtype": "I64", "shape": [2], "data_offsets": [0, 16]}}, bytes(16)),
    "no dimension": header({"p": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}, bytes(4)),
    "pickle": b"\x80\x04\x95cposix\nsystem\n(S'true'\ntR.",
    "zip": b"PK\x03\x04" + bytes(99),
}  # fmt: skip


@pytest.mark.parametrize("file", ["generator.safetensors", "classes.safetensors"])
@pytest.mark.parametrize("claim", CLAIMS)
def test_weights_that_claim_what_is_not_there_are_refused(run: Path, file: str, claim: str) -> None:
    (run / file).write_bytes(CLAIMS[claim])
    with pytest.raises(ModelError, match=file.replace(".", r"\.")) as caught:
        ACSeg.from_pretrained(run, device="cpu")
    assert "\n" not in str(caught.value)


def test_weights_of_absurd_size_are_refused_before_they_are_read(run: Path) -> None:
    with (run / "generator.safetensors").open("wb") as file:
        file.truncate(2**36)
    with pytest.raises(ModelError, match=r"68,719,476,736 bytes, more than"):
        read_model_folder(run)


@pytest.mark.parametrize("shape", [(4, 31), (3, 32), (4, 32, 1), (0, 32), (4, 0), (4, 10**6)])
def test_prototypes_of_another_shape_are_refused(run: Path, shape: tuple[int, ...]) -> None:
    weights = load_file(run / "generator.safetensors")
    save_file(weights | {"prototypes": np.ones(shape, np.float32)}, run / "generator.safetensors")
    with pytest.raises(ModelError, match=r"generator\.safetensors"):
        ACSeg.from_pretrained(run, device="cpu")


def test_weights_more_or_fewer_than_there_are_are_refused(run: Path) -> None:
    weights = load_file(run / "generator.safetensors")
    save_file(weights | {"more": np.ones(3, np.float32)}, run / "generator.safetensors")
    with pytest.raises(ModelError, match="does not fit"):
        ACSeg.from_pretrained(run, device="cpu")
    del weights[sorted(set(weights) - {"prototypes"})[0]]
    save_file(weights, run / "generator.safetensors")
    with pytest.raises(ModelError, match="does not fit"):
        ACSeg.from_pretrained(run, device="cpu")


@pytest.mark.parametrize("name", ["project", "steps.0.feed_forward.1.weight", "prototypes"])
@pytest.mark.parametrize("shape", [(), (0,), (10**7,), (10**6, 4), (0, 0), (2, 2, 2)])
def test_tables_of_other_shapes_are_refused(run: Path, name: str, shape: tuple[int, ...]) -> None:
    weights = load_file(run / "generator.safetensors")
    save_file(weights | {name: np.ones(shape, np.float32)}, run / "generator.safetensors")
    with pytest.raises(ModelError, match=r"generator\.safetensors"):
        ACSeg.from_pretrained(run, device="cpu")


def test_names_of_classes_lose_what_a_terminal_would_obey(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["names"] = {"1": "road\x1b]0;title\x07\n\x9b31m", "2": "<img src=x onerror=alert(1)>"}
    (run / "config.json").write_text(json.dumps(config))
    names = ACSeg.from_pretrained(run, device="cpu").names_
    assert names[1].isprintable()
    assert names[2] == "<img src=x onerror=alert(1)>"  # the report escapes it


def test_markup_in_names_stays_text_in_the_report(
    run: Path, photos: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((run / "config.json").read_text())
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    config["names"] = {"0": bad, "1": bad, "2": bad}
    (run / "config.json").write_text(json.dumps(config))
    folder = photos(tmp_path / "in", ["a.png", "<b onclick=alert(3)>.png"])
    with pytest.raises(SystemExit) as left:
        cli.main(["predict", str(run), str(folder), "-o", str(tmp_path / "out"), "--device", "cpu"])
    assert not left.value.code
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    for text in ("<script>alert", "<img src=x", "<b onclick"):
        assert text not in page
    records = (tmp_path / "out" / "segments.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(records) == 2
    capfd.readouterr()


@pytest.mark.parametrize("command", ["predict", "segment"])
def test_the_commands_say_it_in_one_line(
    run: Path,
    photos: Callable[..., Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    command: str,
) -> None:
    (run / "config.json").write_text("[" * 100_000)
    folder = photos(tmp_path / "in", ["a.png"])
    given = ["predict", str(run)] if command == "predict" else ["segment", "--model", str(run)]
    capfd.readouterr()
    with pytest.raises(SystemExit) as left:
        cli.main([*given, str(folder), "-o", str(tmp_path / "out")])
    assert left.value.code == 2
    err = capfd.readouterr().err
    assert err.startswith("acseg: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
