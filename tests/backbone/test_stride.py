import math

import pytest
import torch
from torch.nn import functional

from acseg.backbone.load import load_backbone
from acseg.backbone.stride import as_if_apart, pad_for_stride
from acseg.errors import BackboneError

from .conftest import KINDS, PREFIX

LEARNED = [kind for kind in KINDS if kind != "dinov3_vit"]


def images(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stride", [2, 1])
def test_grid_is_the_size_over_the_stride(kind, stride, checkpoint):
    backbone = load_backbone(str(checkpoint(kind)), stride=stride, precision="float32")
    features = backbone(images(2, 3, 12, 20))
    assert backbone.stride == stride
    assert features.grid == (12 // stride, 20 // stride)
    assert features.tokens.shape == (2, 240 // stride**2, 32)
    assert features.attention.shape == (2, 240 // stride**2)


@pytest.mark.parametrize("kind", KINDS)
def test_stride_of_the_patch_changes_nothing(kind, checkpoint):
    batch = images(1, 3, 12, 20)
    plain = load_backbone(str(checkpoint(kind)), precision="float32")(batch)
    named = load_backbone(str(checkpoint(kind)), stride=4, precision="float32")(batch)
    assert torch.equal(plain.tokens, named.tokens)


@pytest.mark.parametrize("kind", LEARNED)
@pytest.mark.parametrize("stride", [1, 2])
def test_tokens_are_mirrored_patches_with_positions_of_the_denser_grid(kind, stride, checkpoint):
    # The plain formula: cut every patch by hand, multiply by the projection, add the position.
    height, width, patch = 12, 20, 4
    backbone = load_backbone(str(checkpoint(kind)), stride=stride, precision="float32")
    batch = images(1, 3, height, width)
    tokens, _ = backbone.vit.embed(pad_for_stride(batch, patch, stride))
    weight, bias = backbone.vit.projection.weight, backbone.vit.projection.bias
    h, w = height // stride, width // stride
    table = backbone.vit.model.embeddings.position_embeddings[:, 1:]  # 8 x 8 of training
    positions = functional.interpolate(
        table.view(1, 8, 8, 32).permute(0, 3, 1, 2),
        size=(h, w),
        mode="bicubic",
        antialias=kind == "dinov2_with_registers",
    )[0]
    before = (patch - stride) // 2

    def mirrored(index, side):
        return -index if index < 0 else 2 * (side - 1) - index if index >= side else index

    for i, j in [(0, 0), (0, w - 1), (h - 1, 0), (h - 1, w - 1), (1, 2), (h // 2, w // 2)]:
        rows = [mirrored(i * stride - before + r, height) for r in range(patch)]
        columns = [mirrored(j * stride - before + c, width) for c in range(patch)]
        cut = batch[0][:, rows][:, :, columns]
        expected = (weight * cut).sum(dim=(1, 2, 3)) + bias + positions[:, i, j]
        found = tokens[0, PREFIX[kind] + i * w + j]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_rotary_positions_are_the_middles_of_the_denser_grid(stride, checkpoint):
    backbone = load_backbone(str(checkpoint("dinov3_vit")), stride=stride, precision="float32")
    _, extra = backbone.vit.embed(pad_for_stride(images(1, 3, 12, 20), 4, stride))
    cos, sin = extra["position_embeddings"]
    h, w = 12 // stride, 20 // stride
    periods = [100.0 ** (4 * t / 16) for t in range(4)]  # 16 = dimensions of a head
    for i, j in [(0, 0), (h - 1, 2), (1, w - 1)]:
        middle = (2 * (i + 0.5) / h - 1, 2 * (j + 0.5) / w - 1)
        angles = torch.tensor([2 * math.pi * m / p for m in middle for p in periods])
        torch.testing.assert_close(cos[i * w + j], angles.cos().tile(2), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(sin[i * w + j], angles.sin().tile(2), atol=1e-5, rtol=1e-4)


def test_denser_pixels_follow_the_coarse_ones(checkpoint):
    # A picture of two halves: at any stride the pixels of one half are more alike than across.
    batch = torch.zeros(1, 3, 32, 32)
    batch[..., 16:] = 1.0
    backbone = load_backbone(str(checkpoint("vit")), stride=2, precision="float32")
    pixels = functional.normalize(backbone(batch).tokens[0], dim=-1).view(16, 16, 32)
    left, right = pixels[:, :7].flatten(0, 1), pixels[:, 9:].flatten(0, 1)
    assert (left @ left.T).mean() > (left @ right.T).mean() + 0.1


@pytest.mark.parametrize("stride", [3, 0, -2, 8])
def test_a_stride_that_does_not_divide_the_patch_is_refused(stride, checkpoint):
    with pytest.raises(BackboneError, match=rf"stride {stride} does not divide.*\[1, 2, 4\]"):
        load_backbone(str(checkpoint("vit")), stride=stride)


@pytest.mark.parametrize(("patch", "stride"), [(4, 2), (4, 1), (14, 7), (16, 8), (8, 8)])
@pytest.mark.parametrize("multiple", [1, 3])
def test_padding_makes_the_grid_exact(patch, stride, multiple):
    side = patch * multiple
    padded = pad_for_stride(torch.rand(1, 3, side, 2 * side), patch, stride)
    for found, original in zip(padded.shape[-2:], (side, 2 * side)):
        assert (found - patch) // stride + 1 == original // stride
        assert as_if_apart(found, patch, stride) == original // stride * patch
