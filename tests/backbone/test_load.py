import json
import logging
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from acseg.backbone.load import load_backbone
from acseg.errors import BackboneError

from .conftest import make_model


@pytest.fixture
def folder(checkpoint, tmp_path):
    """A copy of a DINO checkpoint that a test may spoil."""
    return shutil.copytree(checkpoint("vit"), tmp_path / "own")


def batch():
    return torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(2))


def to_pickle(folder, **more):
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights | more, folder / "pytorch_model.bin")


class Harmful:
    def __reduce__(self):
        return (exec, ("import builtins; builtins.acseg_was_run = True",))


def test_log_names_backbone_block_and_precision(checkpoint, caplog):
    with caplog.at_level(logging.INFO, logger="acseg"):
        load_backbone(str(checkpoint("vit")), precision="float32", device="cpu")
    assert "precision: float32" in caplog.text
    assert "tokens of block 6 of 6, patch 4, stride 4, on cpu" in caplog.text


def test_dinov3_says_its_licence(checkpoint, caplog):
    load_backbone(str(checkpoint("dinov3_vit")))
    assert "DINOv3 licence" in caplog.text
    caplog.clear()
    load_backbone(str(checkpoint("vit")))
    assert "licence" not in caplog.text


def test_terminal_stays_quiet(checkpoint, capfd):
    load_backbone(str(checkpoint("vit")))
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_float16_weights_are_used_as_float32(tmp_path):
    make_model("vit").half().save_pretrained(tmp_path)
    assert load_file(tmp_path / "model.safetensors")["embeddings.cls_token"].dtype == torch.float16
    backbone = load_backbone(str(tmp_path), precision="float32")
    assert {weight.dtype for weight in backbone.parameters()} == {torch.float32}
    assert backbone(batch()).tokens.isfinite().all()


def test_normalisation_of_the_checkpoint(folder):
    plain = load_backbone(str(folder), precision="float32")
    assert plain.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    settings = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.1, 0.2, 0.3]}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    own = load_backbone(str(folder), precision="float32")
    raw = (batch() - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor(
        [0.1, 0.2, 0.3]
    ).view(3, 1, 1)
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False}))
    none = load_backbone(str(folder), precision="float32")
    torch.testing.assert_close(own(batch()).tokens, none(raw).tokens, atol=1e-5, rtol=1e-4)
    (folder / "preprocessor_config.json").write_text("{}")
    assert torch.equal(load_backbone(str(folder)).mean, plain.mean)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"image_mean": [0.5], "image_std": [0.5]}, "three numbers"),
        ({"image_mean": 0.5, "image_std": 0.5}, "three numbers"),
        ({"image_mean": ["a", "b", "c"], "image_std": [1, 1, 1]}, "three numbers"),
        ({"image_mean": [0, 0, 0], "image_std": [1, 0, 1]}, "above 0"),
    ],
)
def test_normalisation_that_makes_no_sense(settings, words, folder):
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(BackboneError, match=words):
        load_backbone(str(folder))


def test_unused_weights_may_be_there_or_missing(checkpoint, tmp_path):
    # As MAE's hub checkpoints, which hold a decoder, and DINOv2 without its mask token.
    shutil.copytree(checkpoint("dinov2"), tmp_path / "own")
    path = tmp_path / "own" / "model.safetensors"
    weights = load_file(path)
    del weights["embeddings.mask_token"]
    save_file(weights | {"decoder.weight": torch.ones(3)}, path, metadata={"format": "pt"})
    found = load_backbone(str(tmp_path / "own"), precision="float32")(batch())
    expected = load_backbone(str(checkpoint("dinov2")), precision="float32")(batch())
    assert torch.equal(found.tokens, expected.tokens)


def test_missing_weights_are_not_made_up(folder):
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if "layer.3" in name or "layers.3" in name)
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BackboneError, match=r"lacks 1 weights .*layers\.3"):
        load_backbone(str(folder))


def test_weights_of_another_shape(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 50}))
    with pytest.raises(BackboneError, match="cannot open the backbone"):
        load_backbone(str(folder))


def test_cut_off_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BackboneError, match="cannot open the backbone") as caught:
        load_backbone(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("more", [{}, {"harmful": Harmful()}])
def test_a_pickle_is_refused_and_never_opened(folder, more):
    import builtins

    to_pickle(folder, **more)
    with pytest.raises(BackboneError, match="could run code and is not opened"):
        load_backbone(str(folder))
    assert not hasattr(builtins, "acseg_was_run")
    pickle.loads(pickle.dumps(Harmful()))  # the trap itself works
    assert builtins.acseg_was_run
    del builtins.acseg_was_run


def test_safetensors_are_preferred_to_a_pickle(folder):
    torch.save({"harmful": Harmful()}, folder / "pytorch_model.bin")
    assert load_backbone(str(folder)).layers == 6


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 10**9),
        ("hidden_size", -1),
        ("image_size", [224, 10**8]),
        ("patch_size", float("inf")),
        ("vision_config", {"hidden_size": 10**7}),
    ],
)
def test_a_model_of_absurd_size_is_refused_before_it_is_made(folder, key, value):
    config = json.loads((folder / "config.json").read_text())
    text = json.dumps(config | {key: value}).replace("Infinity", "1e999")
    (folder / "config.json").write_text(text)
    with pytest.raises(BackboneError, match=r"config\.json: .* expected 0 to"):
        load_backbone(str(folder))


@pytest.mark.parametrize(
    "name", ["a\0b", "~nobody-here/x", "x" * 9999, "https://host/x", "c:x", ".."]
)
def test_names_that_are_none_are_refused(name):
    with pytest.raises(BackboneError):
        load_backbone(name)


def test_code_of_a_checkpoint_is_never_run(folder):
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "own.Config", "AutoModel": "own.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('code of the checkpoint was run')")
    assert type(load_backbone(str(folder)).vit.model).__module__.startswith("transformers.")


def test_other_kinds_are_refused(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "resnet"}))
    with pytest.raises(BackboneError, match=r"kind 'resnet'.*dinov2 \(DINOv2\)"):
        load_backbone(str(folder))
    (folder / "config.json").write_text("{}")
    with pytest.raises(BackboneError, match="kind 'None'"):
        load_backbone(str(folder))


@pytest.mark.parametrize("text", ["{", "[1]", "\x00"])
def test_broken_config(text, folder):
    (folder / "config.json").write_text(text)
    with pytest.raises(BackboneError, match=r"cannot read .*config\.json"):
        load_backbone(str(folder))


@pytest.mark.parametrize("change", [{"patch_size": [4, 8]}, {"image_size": [16, 64]}])
def test_what_is_not_square_is_refused(change, tmp_path):
    make_model("vit", **change).save_pretrained(tmp_path)
    with pytest.raises(BackboneError, match="square"):
        load_backbone(str(tmp_path))


def test_bundled_by_its_name(monkeypatch, folder, tmp_path):
    import acseg.backbone.folders as folders

    monkeypatch.setattr(folders.resources, "files", lambda package: tmp_path)
    with pytest.raises(BackboneError, match=r"lacks its bundled backbone.*install acseg again"):
        load_backbone()
    (tmp_path / "bundled").mkdir()
    shutil.copytree(folder, tmp_path / "bundled" / "backbone")
    assert load_backbone().name == "bundled"
