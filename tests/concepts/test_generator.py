"""The concept generator and its attention on unprojected tokens."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from acseg.concepts.generator import (
    AdaptiveConceptGenerator,
    Attention,
    default_heads,
    generator_like,
)


def scramble(module, seed=0):
    """Give every parameter a random value: at the start many are zero or the identity."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) / p.shape[-1] ** 0.5)
    return module


def tokens(batch=2, n=20, dim=12, seed=0):
    return torch.randn(batch, n, dim, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=30, deadline=None)
@given(
    batch=st.integers(1, 3),
    n=st.integers(1, 30),
    k=st.integers(1, 7),
    heads=st.sampled_from([1, 2, 3, 4]),
    seed=st.integers(0, 999),
)
def test_attention_is_that_of_torch_with_projected_pixels(batch, n, k, heads, seed):
    dim = 24
    look = scramble(Attention(dim, heads), seed)
    x, c = tokens(batch, n, dim, seed), tokens(batch, k, dim, seed + 1)
    key_bias = torch.randn(dim, generator=torch.Generator().manual_seed(seed))
    weights = [look.query.weight, look.key.weight, look.value.weight]
    plain, _ = F.multi_head_attention_forward(
        query=c.transpose(0, 1),
        key=x.transpose(0, 1),
        value=x.transpose(0, 1),
        embed_dim_to_check=dim,
        num_heads=heads,
        in_proj_weight=torch.cat(weights),
        in_proj_bias=torch.cat([look.query.bias, key_bias, look.value.bias]),
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0.0,
        out_proj_weight=look.out.weight,
        out_proj_bias=look.out.bias,
    )
    torch.testing.assert_close(look(c, x), plain.transpose(0, 1), rtol=1e-5, atol=1e-5)


def test_autocast_takes_products_in_bfloat16_and_keeps_the_concepts_in_float32():
    generator = scramble(AdaptiveConceptGenerator(64, steps=6, heads=4))
    x = tokens(3, 100, 64)
    exact = generator(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = generator(x)
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    cosines = F.cosine_similarity(rounded, exact, dim=-1)
    assert cosines.min() > 0.999
    rounded.square().sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in generator.parameters())


@pytest.mark.parametrize("k", [1, 5, 9])
def test_shape_is_k_concepts_of_the_dimension_of_the_pixels(k):
    generator = AdaptiveConceptGenerator(12, concepts=k, steps=2, heads=3)
    assert generator(tokens(3, 7)).shape == (3, k, 12)


def test_images_of_a_batch_do_not_mix_and_pixels_have_no_order():
    generator = scramble(AdaptiveConceptGenerator(12, steps=3, heads=2))
    x = tokens(3)
    together = generator(x)
    for image, concepts in zip(x, together):
        torch.testing.assert_close(generator(image[None])[0], concepts, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(generator(x.flip(1)), together, rtol=1e-4, atol=1e-5)


def test_concepts_depend_on_the_image_and_not_on_the_scale_of_its_pixels():
    generator = AdaptiveConceptGenerator(12, steps=2, heads=2)
    one, other = tokens(1, seed=1), tokens(1, seed=2)
    assert (generator(one) - generator(other)).abs().max() > 0.1
    torch.testing.assert_close(generator(one * 50), generator(one), rtol=1e-3, atol=1e-4)


def test_every_step_adds_to_the_concepts_of_the_step_before():
    generator = AdaptiveConceptGenerator(12, steps=2, heads=2)
    with torch.no_grad():
        for step in generator.steps:
            for layer in (step.cross.out, step.self_attention.out, step.feed_forward[-1]):
                layer.weight.zero_()
                layer.bias.zero_()
        assert torch.equal(generator(tokens(1))[0], generator.prototypes)
        generator.steps[0].cross.out.bias.fill_(1)
        generator.steps[1].cross.out.bias.fill_(2)
        torch.testing.assert_close(generator(tokens(1))[0], generator.prototypes + 3)


def test_shared_weights_are_those_of_steps_that_are_alike():
    shared = scramble(AdaptiveConceptGenerator(12, steps=3, heads=2, shared=True))
    plain = AdaptiveConceptGenerator(12, steps=3, heads=2)
    weights = shared.state_dict()
    same = {n.replace("steps.0.", f"steps.{i}."): w for n, w in weights.items() for i in range(3)}
    plain.load_state_dict(same)
    assert torch.equal(shared(tokens()), plain(tokens()))
    count = sum(p.numel() for p in shared.parameters())
    assert count < sum(p.numel() for p in plain.parameters()) / 2


def test_inner_dimensions_project_tokens_and_concepts_back():
    whole = scramble(AdaptiveConceptGenerator(12, steps=2, heads=2, inner=8))
    inside = AdaptiveConceptGenerator(8, steps=2, heads=2)
    inside.load_state_dict({n: w for n, w in whole.state_dict().items() if n != "project"})
    expected = inside(tokens() @ whole.project) @ whole.project.T
    torch.testing.assert_close(whole(tokens()), expected)
    assert whole(tokens()).shape == (2, 5, 12)


@pytest.mark.parametrize("how", [{}, {"shared": True}, {"inner": 8, "width": 2, "concepts": 7}])
def test_weights_say_which_generator_they_belong_to(how):
    first = scramble(AdaptiveConceptGenerator(12, **how))
    again = generator_like(first.state_dict())
    assert torch.equal(again(tokens()), first(tokens()))
    assert not any(p.requires_grad for p in again.parameters())


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"prototypes": torch.ones(3)}, r"expected prototypes \(k, D\)"),
        ({"other": torch.ones(3)}, "other"),
        ({"steps.0.cross.query.weight": torch.ones(2, 2)}, "cross.query.weight"),
    ],
)
def test_weights_of_another_network_are_named(change, found):
    weights = AdaptiveConceptGenerator(12).state_dict()
    with pytest.raises(ValueError, match=found):
        generator_like({**weights, **change})


def test_a_seed_fixes_everything_and_safetensors_carry_it():
    torch.manual_seed(7)
    first = AdaptiveConceptGenerator(12, steps=2, heads=2)
    torch.manual_seed(7)
    second = AdaptiveConceptGenerator(12, steps=2, heads=2)
    assert torch.equal(first(tokens()), second(tokens()))
    third = AdaptiveConceptGenerator(12, steps=2, heads=2)
    third.load_state_dict(load(save(first.state_dict())))
    assert torch.equal(first(tokens()), third(tokens()))


def test_gradients_reach_every_parameter():
    generator = scramble(AdaptiveConceptGenerator(12, steps=2, heads=2))
    generator(tokens()).square().sum().backward()
    for name, p in generator.named_parameters():
        assert p.grad is not None, name
        assert p.grad.abs().max() > 0, name


def test_gradcheck():
    generator = scramble(AdaptiveConceptGenerator(4, concepts=2, steps=1, heads=2, width=1))
    torch.autograd.gradcheck(generator.double(), tokens(1, 3, 4).double().requires_grad_())


def test_other_types_and_non_contiguous_pixels():
    generator = AdaptiveConceptGenerator(12, steps=1, heads=2)
    x = tokens()
    torch.testing.assert_close(generator(x.mT.contiguous().mT), generator(x))
    narrow = generator(x.bfloat16())
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(narrow, generator(x), rtol=0.05, atol=0.1)


@pytest.mark.parametrize(
    ("dim", "heads"), [(8, 1), (64, 1), (192, 3), (384, 6), (768, 12), (200, 2)]
)
def test_default_heads(dim, heads):
    assert default_heads(dim) == heads


@pytest.mark.parametrize(
    ("kwargs", "found"),
    [
        ({"heads": 5}, "5 heads for 12 dimensions"),
        ({"heads": 0}, "heads must be at least 1, found 0"),
        ({"concepts": 0}, "concepts must be at least 1, found 0"),
        ({"steps": -1}, "steps must be at least 1, found -1"),
        ({"width": 0}, "width must be at least 1, found 0"),
    ],
)
def test_settings_out_of_range(kwargs, found):
    with pytest.raises(ValueError, match=found):
        AdaptiveConceptGenerator(12, **kwargs)


@pytest.mark.parametrize("shape", [(3, 12), (1, 4, 11), (1, 0, 12)])
def test_pixels_of_another_shape(shape):
    generator = AdaptiveConceptGenerator(12, steps=1, heads=2)
    with pytest.raises(ValueError, match=r"\(B, N, 12\)"):
        generator(torch.ones(shape))
