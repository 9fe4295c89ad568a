"""timm's ViTs, by a stand-in with timm's interface, and by timm itself where it can be imported."""

import json
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from acseg.backbone.backbone import Backbone
from acseg.backbone.families import family_of
from acseg.backbone.load import load_backbone, read_model_type, read_normalisation
from acseg.backbone.vit import TimmVit
from acseg.errors import BackboneError

KIND = "timm_wrapper"


class StandIn(nn.Module):
    """A ViT with the parts of timm's that are used; each block is one attention."""

    def __init__(self, prefix=2, depth=3, dim=8):
        super().__init__()
        self.embed_dim, self.num_prefix_tokens = dim, prefix
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim))
        self.registers = nn.Parameter(torch.randn(1, prefix - 1, dim))
        self.patch_embed = nn.Conv2d(3, dim, 4, stride=4)
        self.patch_embed.patch_size = (4, 4)
        self.blocks = nn.ModuleList(nn.Linear(dim, 3 * dim) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)

    def walk(self, images, attend):
        x = self.patch_embed(images).flatten(2).transpose(1, 2)
        x = torch.cat([t.expand(len(x), -1, -1) for t in (self.cls_token, self.registers)] + [x], 1)
        states = []
        for block in self.blocks:
            q, k, v = block(x).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
            x = x + attend(q, k, v).transpose(1, 2).flatten(2)
            states.append(x)
        return states

    def forward_intermediates(self, images, *, indices, norm, output_fmt, intermediates_only):
        assert norm
        assert intermediates_only
        assert output_fmt == "NLC"
        states = self.walk(images, functional.scaled_dot_product_attention)
        return [self.norm(states[i])[:, self.num_prefix_tokens :] for i in indices]


def wrap(vit):
    wrapper = nn.Module()
    wrapper.timm_model = vit
    return wrapper


def make(vit, **settings):
    family = family_of(KIND, "stand-in")
    return Backbone(
        TimmVit(wrap(vit), "stand-in"), name="stand-in", model_type=KIND, family=family, **settings
    )


def test_pixels_and_attention():
    torch.manual_seed(0)
    vit, batch, rows = StandIn(), torch.rand(2, 3, 8, 12), []
    backbone = make(vit, blocks=-2)
    features = backbone(batch)

    def plain(q, k, v):
        weights = (q @ k.transpose(-2, -1) / 2).softmax(-1)  # heads of 4 dimensions
        rows.append(weights[:, :, 0].mean(1)[:, 2:])
        return weights @ v

    with torch.no_grad():
        states = vit.walk((batch - backbone.mean) / backbone.std, plain)
        expected = vit.norm(states[1])[:, 2:]
    assert (backbone.layers, backbone.blocks, backbone.patch, backbone.dim) == (3, (2,), 4, 8)
    assert features.grid == (2, 3)
    torch.testing.assert_close(features.tokens, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(features.attention, rows[-1], atol=1e-6, rtol=1e-4)


def test_attention_that_cannot_be_read_is_an_error():
    vit = StandIn()
    fused = vit.walk
    vit.walk = lambda images, attend: fused(images, lambda q, k, v: v)
    with pytest.raises(BackboneError, match="TIMM_FUSED_ATTN"):
        make(vit)(torch.rand(1, 3, 8, 8))


def test_tokens_of_several_blocks():
    vit, batch = StandIn(), torch.rand(1, 3, 8, 8)
    joined = make(vit, blocks=(1, 3))(batch).tokens
    alone = [functional.normalize(make(vit, blocks=n)(batch).tokens, dim=-1) for n in (1, 3)]
    torch.testing.assert_close(joined, torch.cat(alone, dim=-1))


def test_stride_is_refused():
    with pytest.raises(BackboneError, match="stride 2 is not available for timm"):
        make(StandIn(), stride=2)


def test_models_that_do_not_fit():
    vit = StandIn()
    vit.cls_token = None
    with pytest.raises(BackboneError, match="no CLS token"):
        TimmVit(wrap(vit), "some")
    with pytest.raises(BackboneError, match="not a ViT: Linear"):
        TimmVit(wrap(nn.Linear(1, 1)), "some")


def test_timms_own_config(tmp_path, monkeypatch):
    from acseg.backbone import folders

    config = {"architecture": "vit_x", "pretrained_cfg": {"mean": [1, 2, 3], "std": [4, 5, 6]}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert read_normalisation(tmp_path, "x", KIND) == ((1, 2, 3), (4, 5, 6))
    monkeypatch.setattr(folders.importlib.util, "find_spec", lambda name: SimpleNamespace())
    assert read_model_type(tmp_path, "x") == (KIND, "vit_x")
    monkeypatch.setattr(folders.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackboneError, match="pip install timm"):
        read_model_type(tmp_path, "x")


def test_timm_itself(tmp_path):
    try:
        import timm
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"timm cannot be imported here: {error}")
    size = {"embed_dim": 32, "num_heads": 2, "depth": 3}
    name = "vit_small_patch14_reg4_dinov2"
    vit = timm.create_model(name, num_classes=0, dynamic_img_size=True, **size).eval()
    save_file(vit.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    config = {"architecture": name, "num_classes": 0, "model_args": size, "pretrained_cfg": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    backbone = load_backbone(str(tmp_path), precision="float32")
    batch = torch.rand(2, 3, 28, 42)
    with torch.no_grad():
        expected = vit.forward_features((batch - backbone.mean) / backbone.std)[:, 5:]
    torch.testing.assert_close(backbone(batch).tokens, expected, atol=1e-5, rtol=1e-4)
