"""Importing checkpoint files: a round trip over each kind, and files that are none."""

import argparse
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from acseg.backbone.convert import import_backbone
from acseg.backbone.load import load_backbone
from acseg.backbone.onnx_file import read_onnx
from acseg.errors import BackboneError

from .conftest import make_model

WIDE = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "layer_norm_eps": 1e-6,
}
KINDS = {
    "vit": {"intermediate_size": 512},
    "dinov2": {"mlp_ratio": 4},
    "dinov2_with_registers": {"mlp_ratio": 4},
    "giant": {"mlp_ratio": 4, "use_swiglu_ffn": True},
}


def small(kind):
    return make_model("dinov2" if kind == "giant" else kind, **WIDE, **KINDS[kind])


def hub_weights(model, folder):
    """The weights by the names that they have on the hub."""
    model.save_pretrained(folder)
    return load_file(folder / "model.safetensors")


def official(weights):
    """Rename weights as the authors' own code names them."""
    names = {
        "embeddings.patch_embeddings.projection": "patch_embed.proj",
        "embeddings.position_embeddings": "pos_embed",
        "embeddings.": "",
        "encoder.layer.": "blocks.",
        "attention.output.dense": "attn.proj",
        "intermediate.dense": "mlp.fc1",
        "output.dense": "mlp.fc2",
        "layernorm_before": "norm1",
        "layernorm_after": "norm2",
        "layernorm.": "norm.",
        "layer_scale1.lambda1": "ls1.gamma",
        "layer_scale2.lambda1": "ls2.gamma",
        "mlp.weights_in": "mlp.w12",
        "mlp.weights_out": "mlp.w3",
    }
    found = {}
    for name, weight in weights.items():
        if ".attention.attention.key." in name or ".attention.attention.value." in name:
            continue
        if ".attention.attention.query." in name:
            parts = [name.replace("query", part) for part in ("query", "key", "value")]
            weight = torch.cat([weights[part] for part in parts])
            name = name.replace("attention.attention.query", "attn.qkv")
        for old, new in names.items():
            name = name.replace(old, new)
        found[name] = weight.clone()
    return found


def images():
    return torch.rand(2, 3, 24, 36, generator=torch.Generator().manual_seed(3))


def same_tokens(made, folder):
    found = load_backbone(str(made), precision="float32")(images())
    expected = load_backbone(str(folder), precision="float32")(images())
    torch.testing.assert_close(found.tokens, expected.tokens, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.attention, expected.attention, atol=1e-6, rtol=1e-5)


def chunked(weights):
    return {n.replace("blocks.1.", "blocks.1.1.").replace("blocks.0.", "blocks.0.0."): w
            for n, w in weights.items()}  # fmt: skip


def full(weights):
    teacher = {f"backbone.{n}": w for n, w in weights.items()} | {
        "head.mlp.0.weight": torch.ones(3)
    }
    student = {f"module.{n}": torch.zeros_like(w) for n, w in teacher.items()}
    return {
        "student": student,
        "teacher": teacher,
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1),
    }


def plain(weights):
    return weights


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", [plain, chunked, full])
def test_official_checkpoints(kind, form, tmp_path):
    weights = official(hub_weights(small(kind), tmp_path / "hub"))
    torch.save(form(weights), tmp_path / "own.pth")
    found = import_backbone(tmp_path / "own.pth", tmp_path / "made")
    assert found.kind == ("dinov2" if kind == "giant" else kind)
    assert (found.dim, found.layers, found.patch, found.side) == (128, 2, 4, 8)
    assert "Apache-2.0" in (tmp_path / "made" / "README.md").read_text()
    same_tokens(tmp_path / "made", tmp_path / "hub")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["bin", "safetensors", "pt"])
def test_weights_with_the_names_of_transformers(kind, suffix, tmp_path):
    model = small(kind)
    weights = hub_weights(model, tmp_path / "hub")
    file = tmp_path / f"own.{suffix}"
    if suffix == "safetensors":
        save_file(weights, file)
    else:
        torch.save(weights if suffix == "bin" else model.state_dict(), file)  # of today's classes
    import_backbone(file, tmp_path / "made")
    same_tokens(tmp_path / "made", tmp_path / "hub")


class Wrapped(torch.nn.Module):
    """A detector on a backbone, as a graph would hold it."""

    def __init__(self, model):
        super().__init__()
        self.backbone, self.decoder = model, torch.nn.Linear(128, 1)

    def forward(self, images):
        return self.decoder(self.backbone(images).last_hidden_state)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["vit", "dinov2"])  # the exporter cannot do registers
def test_an_onnx_graph(kind, tmp_path):
    pytest.importorskip("onnx")
    model = small(kind)
    model.save_pretrained(tmp_path / "hub")
    batch = torch.rand(1, 3, 32, 32)
    torch.onnx.export(Wrapped(model).eval(), batch, tmp_path / "own.onnx", dynamo=False)
    import_backbone(tmp_path / "own.onnx", tmp_path / "made")
    same_tokens(tmp_path / "made", tmp_path / "hub")


def refused(file, words, tmp_path):
    with pytest.raises(BackboneError, match=words) as caught:
        import_backbone(file, tmp_path / "made")
    line = str(caught.value)
    assert "\n" not in line
    assert file.name in line
    assert [p for p in tmp_path.iterdir() if "made" in p.name] == []


@pytest.fixture
def dino(tmp_path):
    return official(hub_weights(small("vit"), tmp_path / "hub"))


class Harmful:
    def __reduce__(self):
        return (exec, ("import builtins; builtins.acseg_was_run = True",))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "expected a checkpoint of torch"),
        (b"no checkpoint at all", "expected a checkpoint of torch"),
        (b"<html>404</html>", "expected a checkpoint of torch"),
    ],
)
def test_files_that_are_no_checkpoint(content, words, tmp_path):
    (tmp_path / "own.pth").write_bytes(content)
    refused(tmp_path / "own.pth", words, tmp_path)


def test_a_checkpoint_that_would_run_code(dino, tmp_path):
    import builtins

    torch.save(dino | {"harmful": Harmful()}, tmp_path / "own.pth")
    refused(tmp_path / "own.pth", "nothing but weights", tmp_path)
    assert not hasattr(builtins, "acseg_was_run")


@pytest.mark.parametrize("content", [3, {}, {"epoch": 3}, [torch.ones(2)], {"teacher": {}}])
def test_checkpoints_without_weights(content, tmp_path):
    torch.save(content, tmp_path / "own.pth")
    refused(tmp_path / "own.pth", "expected weights by name", tmp_path)


def test_weights_of_something_else(tmp_path):
    torch.save({"conv1.weight": torch.ones(3), "fc.bias": torch.ones(2)}, tmp_path / "own.pth")
    refused(tmp_path / "own.pth", r"expected the weights of a DINO.*conv1\.weight", tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"blocks.1.mlp.fc1.bias": None}, r"layer\.1\.intermediate\.dense\.bias is missing"),
        ({"blocks.1.mlp.fc1.bias": torch.ones(3)}, r"shape \(3,\), expected \(512,\)"),
        ({"pos_embed": torch.ones(1, 60, 128)}, r"position_embeddings has the shape"),
        ({"norm.weight": torch.full((128,), torch.nan)}, "not finite"),
        ({"blocks.0.attn.relative": torch.ones(3)}, "which no DINO or DINOv2 has"),
        ({"decoder_pos_embed": torch.ones(3)}, "this is a MAE"),
    ],
)
def test_weights_that_do_not_fit(change, words, dino, tmp_path):
    weights = {name: w for name, w in (dino | change).items() if w is not None}
    torch.save(weights, tmp_path / "own.pth")
    refused(tmp_path / "own.pth", words, tmp_path)


def test_heads_that_cannot_be_known(tmp_path):
    model = make_model("vit", hidden_size=32, intermediate_size=64)
    torch.save(official(hub_weights(model, tmp_path / "hub")), tmp_path / "own.pth")
    refused(tmp_path / "own.pth", "of a width that DINO and DINOv2 have", tmp_path)


def test_a_file_that_is_not_there_and_a_folder_that_is(dino, tmp_path):
    with pytest.raises(BackboneError, match=r"cannot read .*none\.pth: No such file"):
        import_backbone(tmp_path / "none.pth", tmp_path / "made")
    torch.save(dino, tmp_path / "own.pth")
    with pytest.raises(BackboneError, match="is there already; choose a new folder"):
        import_backbone(tmp_path / "own.pth", tmp_path / "hub")
    (tmp_path / "file").write_text("")
    with pytest.raises(BackboneError, match="cannot write"):
        import_backbone(tmp_path / "own.pth", tmp_path / "file" / "made")


def test_a_full_disk(dino, tmp_path, monkeypatch):
    from acseg.backbone import checkpoint

    torch.save(dino, tmp_path / "own.pth")

    def full_disk(weights, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_tensors", full_disk)
    with pytest.raises(BackboneError, match=r"No space left on device.*make room"):
        import_backbone(tmp_path / "own.pth", tmp_path / "made")
    assert [p for p in tmp_path.iterdir() if "made" in p.name] == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "found no graph"),
        (b"\xff" * 40, "make no sense"),
        (b"\x3a\x7f", "it ends too early"),
        (b"\x3a\x02\x0a\x05", "it ends too early"),
        (b"\x3d\x00\x00\x00\x00", "found no graph"),
        (b"\x38\x01", "make no sense"),
        (b"\x80", "expected an ONNX file"),
        (b"\x3a\x08\x2a\x06\x08\x03\x10\x01\x4a\x00", "has 0 numbers for the shape"),
        (b"\x3a\x06\x2a\x04\x42\x02\xff\xff", "expected an ONNX file"),
        (b"\x3a\x04\x2a\x02\x6a\x00", "is in another file"),
    ],
)
def test_broken_onnx_files(content, words, tmp_path):
    (tmp_path / "own.onnx").write_bytes(content)
    refused(tmp_path / "own.onnx", words, tmp_path)


def test_onnx_files_of_something_else(tmp_path):
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    one = helper.make_tensor("w", 1, [2, 2], [1.0, 2.0, 3.0, 4.0])  # float_data, not raw
    numbers = helper.make_tensor("n", 7, [2], [1, 2])
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="/some/MatMul")
    graph = helper.make_graph([node], "g", [], [], initializer=[one, numbers])
    onnx.save(helper.make_model(graph), tmp_path / "own.onnx")
    found = read_onnx(tmp_path / "own.onnx")
    assert found.tensors["w"].tolist() == [[1, 2], [3, 4]]
    assert found.nodes[0].inputs == ("x", "w")
    refused(tmp_path / "own.onnx", "expected one ViT .* found 0", tmp_path)


def test_the_command(dino, tmp_path):
    from typer.testing import CliRunner

    from acseg.cli import app

    torch.save(dino, tmp_path / "own.pth")
    made = tmp_path / "made"
    done = CliRunner().invoke(
        app, ["backbones", "import", str(tmp_path / "own.pth"), "-o", str(made)]
    )
    assert done.exit_code == 0
    assert "DINO (ViT), 2 blocks of width 128, patch 4; use it with --backbone" in done.output
    assert json.loads((made / "config.json").read_text())["intermediate_size"] == 512
