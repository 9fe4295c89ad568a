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
    backbone = load_backbone(str(checkpoint(kind)), blocks=-1, precision="float32")
    batch = images(2, 3, *size)
    features = backbone(batch)
    expected = reference(kind, checkpoint(kind), batch).last_hidden_state[:, PREFIX[kind] :]
    assert features.grid == (size[0] // 4, size[1] // 4)
    assert features.tokens.shape == (2, size[0] * size[1] // 16, 32) == expected.shape
    assert features.tokens.dtype == torch.float32
    torch.testing.assert_close(features.tokens, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_attention_is_the_eager_cls_row_of_the_last_block(kind, size, checkpoint):
    batch = images(2, 3, *size)
    row = reference(kind, checkpoint(kind), batch).attentions[-1][:, :, 0].mean(dim=1)
    for block in (2, -1):  # whatever block the pixels come from
        backbone = load_backbone(str(checkpoint(kind)), blocks=block, precision="float32")
        attention = backbone(batch).attention
        assert attention.dtype == torch.float32
        torch.testing.assert_close(attention, row[:, PREFIX[kind] :], atol=1e-6, rtol=1e-4)
        assert (attention >= 0).all()
        assert (attention.sum(dim=1) < 1).all()
    assert row.std() > 1e-3  # an even row would pass with any order of the pixels


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", [1, 4, -2])
def test_block_is_the_hidden_state_after_the_final_norm(kind, block, checkpoint):
    backbone = load_backbone(str(checkpoint(kind)), blocks=block, precision="float32")
    batch = images(1, 3, 24, 16)
    hidden = reference(kind, checkpoint(kind), batch).hidden_states
    expected = final_norm(kind, checkpoint(kind))(hidden[block % 7])[:, PREFIX[kind] :]
    assert backbone.blocks == (block % 7,)  # hidden_states[0] is the embedding: 6 blocks, 7 states
    torch.testing.assert_close(backbone(batch).tokens, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_default_block(kind, checkpoint):
    backbone = load_backbone(str(checkpoint(kind)))
    assert backbone.blocks == (5 if kind == "dinov3_vit" else 6,)
    assert (backbone.layers, backbone.patch, backbone.stride, backbone.dim) == (6, 4, 4, 32)
    assert backbone.prefix == PREFIX[kind]
    assert backbone.family == kind
    assert backbone.name == str(checkpoint(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_does_not_depend_on_its_batch(kind, checkpoint):
    backbone = load_backbone(str(checkpoint(kind)), precision="float32")
    batch = images(3, 3, 16, 24)
    together, alone = backbone(batch), backbone(batch[1:2])
    torch.testing.assert_close(together.tokens[1:2], alone.tokens, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together.attention[1:2], alone.attention, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_image_gives_the_same_pixels_again(kind, checkpoint):
    backbone = load_backbone(str(checkpoint(kind)))  # MAE as it comes would shuffle and drop
    batch = images(1, 3, 16, 24)
    assert torch.equal(backbone(batch).tokens, backbone(batch).tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_is_close_to_float32(kind, checkpoint):
    batch = images(2, 3, 24, 32)
    exact = load_backbone(str(checkpoint(kind)), precision="float32")(batch)
    lower = load_backbone(str(checkpoint(kind)), precision="bfloat16")(batch)
    assert lower.tokens.dtype == lower.attention.dtype == torch.float32
    assert not torch.equal(exact.tokens, lower.tokens)
    cosine = torch.nn.functional.cosine_similarity(exact.tokens, lower.tokens, dim=-1)
    assert cosine.min() > 0.995
    torch.testing.assert_close(exact.attention, lower.attention, atol=0.02, rtol=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_frozen(kind, checkpoint):
    backbone = load_backbone(str(checkpoint(kind)))
    assert not any(weight.requires_grad for weight in backbone.parameters())
    backbone.train()
    assert not any(module.training for module in backbone.modules())
    features = backbone(images(1, 3, 8, 8).requires_grad_())
    assert not features.tokens.requires_grad
    # and yet the pixels may enter a training, which tensors of inference mode may not
    weight = torch.ones(32, requires_grad=True)
    (features.tokens * weight).sum().backward()
    assert weight.grad is not None


def test_non_contiguous_and_half_images(checkpoint):
    backbone = load_backbone(str(checkpoint("vit")), precision="float32")
    batch = images(2, 16, 24, 3).permute(0, 3, 1, 2)
    expected = backbone(batch.contiguous()).tokens
    torch.testing.assert_close(backbone(batch).tokens, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(backbone(batch.double()).tokens, expected, atol=1e-5, rtol=1e-4)


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
        load_backbone(str(checkpoint("vit")), blocks=block)


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_of_several_blocks_are_joined_at_unit_length(kind, checkpoint):
    name, batch = str(checkpoint(kind)), images(2, 3, 24, 16)
    joined = load_backbone(name, blocks=(-1, 2, 4), precision="float32")
    assert joined.blocks == (2, 4, 6)
    assert joined.dim == 96
    found = joined(batch)
    assert found.tokens.shape == (2, 24, 96)
    for share, block in zip(found.tokens.chunk(3, dim=-1), joined.blocks, strict=True):
        alone = load_backbone(name, blocks=[block], precision="float32")(batch)
        expected = torch.nn.functional.normalize(alone.tokens, dim=-1)
        torch.testing.assert_close(share, expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found.attention, alone.attention, atol=1e-6, rtol=1e-5)
    assert "blocks 2, 4, 6 of 6" in repr(joined)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_runs_that_is_not_needed(kind, checkpoint):
    backbone = load_backbone(str(checkpoint(kind)), blocks=(2, 3), precision="float32")
    ran = []
    for number, block in enumerate(backbone.vit.blocks, start=1):
        block.mlp.register_forward_hook(lambda *_, number=number: ran.append(number))
    backbone(images(1, 3, 16, 16))
    assert ran == [1, 2, 3, 4, 5]  # of the last block attention only, without its feed-forward


@pytest.mark.parametrize("blocks", [(), (1, 1), (6, -1)])
def test_blocks_that_make_no_sense(blocks, checkpoint):
    with pytest.raises(BackboneError, match="one or more, each named once"):
        load_backbone(str(checkpoint("vit")), blocks=blocks)


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
            torch.testing.assert_close(result.tokens, expected[number].tokens)
    assert len(found) == 6


def test_its_description_names_the_settings(checkpoint):
    backbone = load_backbone(str(checkpoint("vit")), stride=2, blocks=3, precision="float32")
    assert "block 3 of 6, patch 4, stride 2, torch.float32" in repr(backbone)
