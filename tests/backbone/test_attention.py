import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from acseg.backbone.attention import ROWS, Attention, Enough, banded_attention


def plain(query, key, value, scale):
    weights = (query.double() @ key.double().transpose(-2, -1) * scale).softmax(dim=-1)
    return weights @ value.double()


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 2),
    st.integers(1, 3),
    st.sampled_from([1, 7, ROWS, ROWS + 1, 2 * ROWS + 3]),
    st.sampled_from([None, 0.3]),
)
def test_against_the_plain_formula(batch, heads, tokens, scale):
    generator = torch.Generator().manual_seed(tokens)
    q, k, v = (torch.randn(batch, heads, tokens, 16, generator=generator) for _ in range(3))
    found = banded_attention(q, k, v, scale)
    torch.testing.assert_close(found.double(), plain(q, k, v, scale or 0.25), atol=1e-5, rtol=1e-4)
    lower = banded_attention(*(t.bfloat16() for t in (q, k, v)), scale)
    assert lower.dtype == torch.bfloat16
    torch.testing.assert_close(lower.double(), plain(q, k, v, scale or 0.25), atol=0.06, rtol=0.05)


def test_heads_side_by_side_as_models_hand_them_over():
    q, k, v = (torch.randn(2, 40, 3, 8).transpose(1, 2) for _ in range(3))  # not contiguous
    torch.testing.assert_close(
        banded_attention(q, k, v, None), scaled_dot_product_attention(q, k, v), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("dtype", "more", "banded"),
    [
        (torch.bfloat16, {}, True),
        (torch.bfloat16, {"scale": 0.2, "dropout_p": 0.0, "is_causal": False}, True),
        (torch.bfloat16, {"is_causal": True}, False),
        (torch.bfloat16, {"attn_mask": torch.zeros(5, 5, dtype=torch.bfloat16)}, False),
        (torch.float32, {}, False),
    ],
)
def test_takes_the_calls_it_is_faster_at(dtype, more, banded, monkeypatch):
    calls = []

    def spy(*args):
        calls.append(args)
        return banded_attention(*args)

    monkeypatch.setattr("acseg.backbone.attention.banded_attention", spy)
    q, k, v = (torch.randn(1, 2, 5, 8).to(dtype) for _ in range(3))
    expected = scaled_dot_product_attention(q, k, v, **more)
    with Attention(banded=True) as last:
        found = scaled_dot_product_attention(q, k, v, **more)
    assert bool(calls) == banded
    assert last.query is q
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0.05)


def test_fused_where_plain_products_are_slow_and_stopped_where_asked():
    q, k, v = (torch.randn(1, 2, 5, 8, dtype=torch.bfloat16) for _ in range(3))
    with Attention() as attention:
        found = scaled_dot_product_attention(q, k, v)
        assert torch.equal(found, scaled_dot_product_attention(q, k, v))
        attention.stop = True
        with pytest.raises(Enough):
            scaled_dot_product_attention(k, q, v)
    assert attention.query is k
    assert attention.cls_row(1).shape == (1, 4)
