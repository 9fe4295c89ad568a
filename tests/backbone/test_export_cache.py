import os
from types import SimpleNamespace

import pytest
import torch

from acseg.backbone.blocks import portable_blocks
from acseg.backbone.cache import cache_root
from acseg.backbone.export_cache import KEPT, export_key, kept_or_made
from acseg.backbone.load import load_backbone


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ACSEG_CACHE", str(tmp_path / "cache"))


def folder():
    return cache_root() / "openvino"


def read(path):
    if not path.is_file():
        raise RuntimeError("no such file")
    return path.read_text()


def ask(key="key", *, made="made", save=lambda model, path: path.write_text(model)):
    count = SimpleNamespace(made=0)

    def make():
        count.made += 1
        return made

    return kept_or_made(key, read, make, save), count.made


def test_made_once_then_read():
    assert ask() == ("made", 1)
    assert ask(made="other") == ("made", 0)
    assert [p.name for p in folder().iterdir()] == ["key"]


def test_a_save_that_fails_leaves_nothing():
    def fails(model, path):
        path.write_text("half")
        raise RuntimeError("disk full")

    assert ask(save=fails) == ("made", 1)
    assert list(folder().iterdir()) == []


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ACSEG_CACHE", str(tmp_path / "file"))
    assert ask() == ("made", 1)


def test_the_one_used_longest_ago_goes():
    for number in range(KEPT):
        ask(f"key{number}")
        os.utime(folder() / f"key{number}", (number, number))
    assert ask("key0")[1] == 0  # used, so it is young again
    ask("new")
    assert {p.name for p in folder().iterdir()} == {"new", "key0"} | {
        f"key{n}" for n in range(2, KEPT)
    }


def test_the_key_goes_by_weights_and_settings(checkpoint):
    backbone = load_backbone(str(checkpoint("vit")), precision="float32")

    def key(*blocks):
        return export_key(portable_blocks(backbone.vit, blocks)[0])

    first = key(6)
    assert first == key(6)
    assert len({first, key(5), key(5, 6)}) == 3
    with torch.no_grad():
        backbone.vit.blocks[0].layernorm_before.weight[0] += 1
    assert key(6) != first


def test_a_broken_conversion_is_made_again(checkpoint):
    pytest.importorskip("openvino")
    batch = torch.rand(1, 3, 8, 8)
    name = str(checkpoint("vit"))
    expected = load_backbone(name, precision="float32", runtime="openvino")(batch)
    (path,) = folder().glob("*/model.xml")
    path.write_text("<net")
    again = load_backbone(name, precision="float32", runtime="openvino")(batch)
    kept = load_backbone(name, precision="float32", runtime="openvino")(batch)
    assert path.stat().st_size > 1000
    for found in (again, kept):
        torch.testing.assert_close(expected.tokens, found.tokens, atol=1e-5, rtol=1e-5)
