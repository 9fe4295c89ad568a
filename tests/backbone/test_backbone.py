import threading

import pytest
import torch

from acseg.backbone.load import load_backbone
from acseg.errors import BackboneError

from .conftest import KINDS, PREFIX, final_norm, reference


def images(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(32, 32), (24, 40)])  # of training; another, not square
def test_last_block_is_the_models_own_output_without_prefix(kind, size, checkpoint):
    backbone = load_backbone(str(checkpoint(kind)), block=-1, precision="float32")
    batch = images(2, 3, *size)
    features = backbone(batch)
    expected = reference(kind, checkpoint(kind), batch).last_hidden_state[:, PREFIX[kind] :]
    assert features.grid == (size[0] // 4, size[1] // 4)
    assert features.pixels.shape == (2, size[0] * size[1] // 16, 32) == expected.shape
    assert features.pixels.dtype == torch.float32
    torch.testing.assert_close(features.pixels, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_attention_is_the_eager_cls_row_of_the_last_block(kind, size, checkpoint):
    batch = images(2, 3, *size)
    row = reference(kind, checkpoint(kind), batch).attentions[-1][:, :, 0].mean(dim=1)
    for block in (2, -1):  # whatever block the pixels come from
        backbone = load_backbone(str(checkpoint(kind)), block=block, precision="float32")
        attention = backbone(batch).attention
        assert attention.dtype == torch.float32
        torch.testing.assert_close(attention, row[:, PREFIX[kind] :], atol=1e-6, rtol=1e-4)
        assert (attention >= 0).all()
        assert (attention.sum(dim=1) < 1).all()
    assert row.std() > 1e-3  # an even row would pass with any order of the pixels


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", [1, 4, -2])
def test_block_is_the_hidden_state_after_the_final_norm(kind, block, checkpoint):
    backbone = load_backbone(str(checkpoint(kind)), block=block, precision="float32")
    batch = images(1, 3, 24, 16)
    hidden = reference(kind, checkpoint(kind), batch).hidden_states
    expected = final_norm(kind, checkpoint(kind))(hidden[block % 7])[:, PREFIX[kind] :]
    assert backbone.block == block % 7  # hidden_states[0] is the embedding: 6 blocks, 7 states
    torch.testing.assert_close(backbone(batch).pixels, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_default_block(kind, checkpoint):
    backbone = load_backbone(str(checkpoint(kind)))
    assert backbone.block == (5 if kind == "dinov3_vit" else 6)
    assert (backbone.layers, backbone.patch, backbone.stride, backbone.dim) == (6, 4, 4, 32)
    assert backbone.prefix == PREFIX[kind]
    assert backbone.family == kind
    assert backbone.name == str(checkpoint(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_does_not_depend_on_its_batch(kind, checkpoint):
    backbone = load_backbone(str(checkpoint(kind)), precision="float32")
    batch = images(3, 3, 16, 24)
    together, alone = backbone(batch), backbone(batch[1:2])
    torch.testing.assert_close(together.pixels[1:2], alone.pixels, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together.attention[1:2], alone.attention, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_image_gives_the_same_pixels_again(kind, checkpoint):
    backbone = load_backbone(str(checkpoint(kind)))  # MAE as it comes would shuffle and drop
    batch = images(1, 3, 16, 24)
    assert torch.equal(backbone(batch).pixels, backbone(batch).pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_is_close_to_float32(kind, checkpoint):
    batch = images(2, 3, 24, 32)
    exact = load_backbone(str(checkpoint(kind)), precision="float32")(batch)
    lower = load_backbone(str(checkpoint(kind)), precision="bfloat16")(batch)
    assert lower.pixels.dtype == lower.attention.dtype == torch.float32
    assert not torch.equal(exact.pixels, lower.pixels)
    cosine = torch.nn.functional.cosine_similarity(exact.pixels, lower.pixels, dim=-1)
    assert cosine.min() > 0.995
    torch.testing.assert_close(exact.attention, lower.attention, atol=0.02, rtol=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_frozen(kind, checkpoint):
    backbone = load_backbone(str(checkpoint(kind)))
    assert not any(weight.requires_grad for weight in backbone.parameters())
    backbone.train()
    assert not any(module.training for module in backbone.modules())
    features = backbone(images(1, 3, 8, 8).requires_grad_())
    assert not features.pixels.requires_grad
    # and yet the pixels may enter a training, which tensors of inference mode may not
    weight = torch.ones(32, requires_grad=True)
    (features.pixels * weight).sum().backward()
    assert weight.grad is not None


def test_non_contiguous_and_half_images(checkpoint):
    backbone = load_backbone(str(checkpoint("vit")), precision="float32")
    batch = images(2, 16, 24, 3).permute(0, 3, 1, 2)
    expected = backbone(batch.contiguous()).pixels
    torch.testing.assert_close(backbone(batch).pixels, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(backbone(batch.double()).pixels, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((30, 32), "28 or 32 high"),
        ((32, 33), "32 or 36 wide"),
        ((32, 3), "make them 4 wide"),
    ],
)
def test_a_size_that_does_not_fit_names_the_nearest(size, words, checkpoint):
    backbone = load_backbone(str(checkpoint("vit")))
    with pytest.raises(ValueError, match=words) as caught:
        backbone(images(1, 3, *size))
    assert f"{size[0]} x {size[1]}" in str(caught.value)


@pytest.mark.parametrize(
    "batch",
    [
        torch.zeros(3, 8, 8),
        torch.zeros(1, 1, 8, 8),
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
    ],
)
def test_other_shapes_and_types_are_refused(batch, checkpoint):
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\) floating point"):
        load_backbone(str(checkpoint("vit")))(batch)


@pytest.mark.parametrize("block", [0, 7, -7])
def test_no_such_block(block, checkpoint):
    with pytest.raises(BackboneError, match=f"block {block} does not exist.*1 to 6"):
        load_backbone(str(checkpoint("vit")), block=block)


def test_keys_of_the_last_block(checkpoint):
    batch = images(2, 3, 16, 24)
    backbone = load_backbone(str(checkpoint("vit")), features="keys", precision="float32")
    layer = backbone.vit.blocks[-1]
    before = reference("vit", checkpoint("vit"), batch).hidden_states[-2]
    expected = layer.attention.k_proj(layer.layernorm_before(before))[:, 1:]
    torch.testing.assert_close(backbone(batch).pixels, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "vit"])
def test_keys_are_refused_with_the_reason(kind, checkpoint):
    with pytest.raises(BackboneError, match=r"features='keys' is refused.*use features='tokens'"):
        load_backbone(str(checkpoint(kind)), features="keys")


def test_keys_of_another_block_and_unknown_features(checkpoint):
    with pytest.raises(BackboneError, match="last block, 6, not of block 3"):
        load_backbone(str(checkpoint("vit")), features="keys", block=3)
    with pytest.raises(BackboneError, match="unknown features 'values'"):
        load_backbone(str(checkpoint("vit")), features="values")


def test_threads_may_share_a_backbone(checkpoint):
    backbone = load_backbone(str(checkpoint("vit")), precision="float32")
    batches = [images(1, 3, 32, 32, seed=seed) for seed in range(6)]
    expected = [backbone(batch) for batch in batches]
    found = {}

    def work(number):
        found[number] = [backbone(batches[number]) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, results in found.items():
        for result in results:
            torch.testing.assert_close(result.attention, expected[number].attention)
            torch.testing.assert_close(result.pixels, expected[number].pixels)
    assert len(found) == 6


def test_its_description_names_the_settings(checkpoint):
    backbone = load_backbone(str(checkpoint("vit")), stride=2, block=3, precision="float32")
    assert "tokens of block 3 of 6, patch 4, stride 2, torch.float32" in repr(backbone)
