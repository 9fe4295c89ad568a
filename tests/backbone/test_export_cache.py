import os

import pytest
import torch

from acseg.backbone.blocks import portable_blocks
from acseg.backbone.export_cache import KEPT, cache_folder, cached_export, export_key, forget
from acseg.backbone.load import load_backbone


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write(path):
    path.write_text("export")


def refuse(path):
    raise AssertionError("written again")


def test_written_once_then_taken_from_the_cache():
    path = cached_export("key", "model.xml", write)
    assert path == cache_folder() / "key" / "model.xml"
    assert cached_export("key", "model.xml", refuse) == path
    forget(path)
    assert not path.exists()


def test_a_write_that_fails_leaves_nothing():
    with pytest.raises(AssertionError, match="written again"):
        cached_export("key", "model.xml", refuse)
    assert list(cache_folder().iterdir()) == []


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cached_export("key", "model.xml", write).read_text() == "export"


def test_another_process_was_first():
    def late(path):
        write(path)
        other = cache_folder() / "key"
        other.mkdir()
        (other / "model.xml").write_text("theirs")

    assert cached_export("key", "model.xml", late).read_text() == "theirs"
    assert [p.name for p in cache_folder().iterdir()] == ["key"]


def test_the_one_used_longest_ago_goes():
    for number in range(KEPT):
        path = cached_export(f"key{number}", "model.xml", write)
        os.utime(path.parent, (number, number))
    cached_export("key0", "model.xml", refuse)  # used, so it is young again
    cached_export("new", "model.xml", write)
    assert {p.name for p in cache_folder().iterdir()} == {"new", "key0", "key2", "key3"} | {
        f"key{n}" for n in range(4, KEPT)
    }


def test_the_key_goes_by_weights_and_settings(checkpoint):
    backbone = load_backbone(str(checkpoint("vit")), precision="float32")

    def key(block=6, features="tokens", libraries=("torch",)):
        return export_key(portable_blocks(backbone.vit, block, features)[0], libraries)

    first = key()
    assert first == key()
    assert len({first, key(block=5), key(features="keys"), key(libraries=("numpy",))}) == 4
    with torch.no_grad():
        backbone.vit.blocks[0].layernorm_before.weight[0] += 1
    assert key() != first


def test_a_broken_export_is_made_again(checkpoint):
    pytest.importorskip("openvino")
    batch = torch.rand(1, 3, 8, 8)
    name = str(checkpoint("vit"))
    expected = load_backbone(name, precision="float32", runtime="openvino")(batch)
    (path,) = cache_folder().glob("*/model.xml")
    path.write_text("<net")
    again = load_backbone(name, precision="float32", runtime="openvino")(batch)
    assert torch.equal(expected.pixels, again.pixels)
    assert path.stat().st_size > 1000
