import json

import pytest

from acseg.backbone import folders
from acseg.backbone.families import FAMILIES, family_of
from acseg.backbone.listing import CHECKPOINTS, backbones


def test_every_row_is_complete_and_of_a_known_family():
    first, *rows = backbones()
    assert first.name == "bundled"
    labels = {family.label for family in FAMILIES.values()}
    assert {row.family for row in rows} == labels  # one example of each family at least
    for row in rows:
        assert row.licence
        assert 1 <= row.default_block <= row.layers
        assert row.patch in (8, 14, 16)
    assert len({row.name for row in rows}) == len(CHECKPOINTS)


def test_dinov3_default_and_licence():
    (row,) = [row for row in backbones() if row.name == "facebook/dinov3-vits16-pretrain-lvd1689m"]
    assert (row.default_block, row.layers, row.licence) == (10, 12, "DINOv3 licence")


@pytest.mark.parametrize(
    ("kind", "layers", "block"),
    [("vit", 12, 12), ("dinov3_vit", 24, 20), ("dinov3_vit", 40, 33), ("dinov3_vit", 1, 1)],
)
def test_default_block_of_a_depth(kind, layers, block):
    assert FAMILIES[kind].default_block(layers) == block


def test_dinov3_of_timm_is_treated_as_dinov3():
    family = family_of("timm_wrapper", "x", architecture="vit_small_patch16_dinov3")
    assert family.default_block(12) == 10
    assert "DINOv3 licence" in family.licence_line
    assert family_of("timm_wrapper", "x", architecture="vit_small_patch16_224").depth == 1


def test_bundled_row_reads_the_configuration(monkeypatch, tmp_path):
    monkeypatch.setattr(folders.resources, "files", lambda package: tmp_path)
    assert backbones()[0].note == "missing in this installation"
    folder = tmp_path / "bundled" / "backbone"
    folder.mkdir(parents=True)
    config = {"model_type": "vit", "num_hidden_layers": 9, "patch_size": 8}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").touch()
    row = backbones()[0]
    assert (row.family, row.layers, row.default_block, row.patch) == ("DINO (ViT)", 9, 9, 8)
