"""The tiled loss, and the dense one that is written as the paper has it, against plain loops."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.concepts import modularity_tiles
from acseg.concepts.modularity import modularity_loss, modularity_loss_dense


def cosine(a, b):
    return torch.nn.functional.cosine_similarity(a[:, :, None], b[:, None], dim=-1, eps=1e-12)


def plain_loss(tokens, concepts, self_affinity=True, threshold=None):
    """The formula of the paper, one line each, in float64."""
    tokens, concepts = tokens.double(), concepts.double()
    A = cosine(tokens, tokens).clamp(min=0)
    if not self_affinity:
        A = A * (1 - torch.eye(A.shape[1], dtype=A.dtype))
    d = A.sum(dim=2)
    losses = []
    for i, (a, deg, s) in enumerate(zip(A, d, cosine(tokens, concepts).clamp(min=0))):
        total = a.sum() if a.sum() > 0 else torch.ones(())
        W = a - (torch.outer(deg, deg) / total if threshold is None else threshold[i])
        delta = (s[:, None, :] * s[None, :, :]).max(dim=2).values
        losses.append(-(W * delta).sum() / total)
    return torch.stack(losses).mean()


@pytest.fixture(params=[None, 4, 45], ids=lambda side: f"tiles of {side}")
def tiles(request, monkeypatch):
    """Tiles of other sides than the default, so that small scenes have several."""
    if request.param is not None:
        monkeypatch.setitem(modularity_tiles.TILE, "cpu", request.param)


def gradient(loss, concepts, *args, **kwargs):
    leaf = concepts.clone().requires_grad_()
    value = loss(*args, leaf, **kwargs)
    value.backward()
    return value.detach(), leaf.grad


def scene(batch, n, k, dim, seed, dtype=torch.float64):
    """Pixels with a shared direction, so that affinities and assignments are of both signs."""
    generator = torch.Generator().manual_seed(seed)
    shift = torch.randn(batch, 1, dim, generator=generator, dtype=dtype) / 2
    tokens = torch.randn(batch, n, dim, generator=generator, dtype=dtype) + shift
    concepts = torch.randn(batch, k, dim, generator=generator, dtype=dtype) + shift
    return tokens, concepts


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 3),
    n=st.integers(1, 40),
    k=st.integers(1, 16),
    dim=st.integers(1, 9),
    tile=st.integers(1, 45),
    kept=st.booleans(),
    constant=st.booleans(),
    self_affinity=st.booleans(),
    zero_pixel=st.booleans(),
    zero_concept=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_value_and_gradient_are_those_of_the_formula(
    batch, n, k, dim, tile, kept, constant, self_affinity, zero_pixel, zero_concept, seed
):
    tokens, concepts = scene(batch, n, k, dim, seed)
    if zero_pixel:
        tokens[0, seed % n] = 0
    if zero_concept:
        concepts[-1, seed % k] = 0
    how = {"self_affinity": self_affinity}
    if constant:
        how["threshold"] = torch.linspace(-0.2, 0.6, batch, dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(modularity_tiles.TILE, "cpu", tile)
        if not kept:
            patch.setattr(modularity_tiles, "AFFINITY_BYTES", 0)
        value, grad = gradient(modularity_loss, concepts, tokens, **how)
    dense, dense_grad = gradient(modularity_loss_dense, concepts, tokens, **how)
    plain, plain_grad = gradient(plain_loss, concepts, tokens, **how)
    torch.testing.assert_close(dense, plain, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(value, plain, rtol=1e-9, atol=1e-12)
    if dim > 1:  # in one dimension all cosines are 1: ties everywhere, the slope is not unique
        torch.testing.assert_close(grad, plain_grad, rtol=1e-7, atol=1e-10)
        torch.testing.assert_close(dense_grad, plain_grad, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("threshold", [None, torch.tensor([0.1, 0.4])], ids=["degrees", "constant"])
@pytest.mark.parametrize("self_affinity", [True, False])
def test_gradcheck(self_affinity, threshold, tiles):
    tokens, concepts = scene(2, 11, 3, 5, seed=1)
    how = {"self_affinity": self_affinity, "threshold": threshold}
    torch.autograd.gradcheck(
        lambda c: modularity_loss(tokens, c, **how),
        concepts.requires_grad_(),
    )


def test_tied_concepts_share_nothing_the_first_takes_the_pair(tiles):
    tokens, concepts = scene(1, 9, 3, 4, seed=2)
    concepts[0, 1] = concepts[0, 0]
    concepts[0, 2] = -concepts[0, 0]
    _, grad = gradient(modularity_loss, concepts, tokens)
    _, single = gradient(modularity_loss, concepts[:, [0, 2]], tokens)
    torch.testing.assert_close(grad[:, [0, 2]], single)
    assert grad[0, 0].norm() > 0
    assert grad[0, 1].norm() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_narrow_types_are_computed_in_float32(dtype):
    tokens, concepts = (x.to(dtype) for x in scene(2, 30, 4, 8, seed=3))
    value, grad = gradient(modularity_loss, concepts, tokens)
    plain, plain_grad = gradient(plain_loss, concepts, tokens)
    assert value.dtype == torch.float32
    assert grad.dtype == dtype
    torch.testing.assert_close(value.double(), plain, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(grad.double(), plain_grad.double(), rtol=2e-2, atol=1e-4)


@pytest.mark.parametrize("n", [1, 50, 320])
@pytest.mark.parametrize("shared", [0, 1, 3, 7], ids=lambda s: f"shared {s}")
def test_bfloat16_keeps_the_stated_error(n, shared, monkeypatch):
    monkeypatch.setattr(modularity_tiles, "has_bfloat16", lambda device: True)
    generator = torch.Generator().manual_seed(n)
    direction = torch.randn(2, 1, 64, generator=generator)
    tokens = torch.randn(2, n, 64, generator=generator) + shared * direction
    concepts = torch.randn(2, 5, 64, generator=generator) + shared * direction
    value, grad = gradient(modularity_loss, concepts, tokens, precision="bfloat16")
    plain, plain_grad = gradient(plain_loss, concepts, tokens)
    assert value.dtype == grad.dtype == torch.float32
    assert (grad - plain_grad).norm() <= 1e-2 * plain_grad.norm() + 1e-6
    assert abs(value - plain) <= 1e-3 * abs(plain) + 1e-6
    if n > 1:
        assert not torch.equal(grad, gradient(modularity_loss, concepts, tokens)[1])


def test_bfloat16_without_the_hardware_or_in_float64_is_exact(monkeypatch):
    tokens, concepts = scene(2, 40, 3, 8, seed=8, dtype=torch.float32)
    monkeypatch.setattr(modularity_tiles, "has_bfloat16", lambda device: False)
    rounded = modularity_loss(tokens, concepts, precision="bfloat16")
    assert torch.equal(rounded, modularity_loss(tokens, concepts))
    monkeypatch.setattr(modularity_tiles, "has_bfloat16", lambda device: True)
    rounded = modularity_loss(tokens.double(), concepts, precision="bfloat16")
    assert torch.equal(rounded, modularity_loss(tokens.double(), concepts))
    assert not torch.equal(
        modularity_loss(tokens, concepts, precision="bfloat16"), modularity_loss(tokens, concepts)
    )


def test_autocast_does_not_lower_the_precision():
    tokens, concepts = scene(1, 30, 4, 8, seed=3, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = modularity_loss(tokens, concepts)
    assert torch.equal(inside, modularity_loss(tokens, concepts))


def test_non_contiguous_inputs(tiles):
    tokens, concepts = scene(2, 24, 4, 6, seed=4)
    strided = tokens.mT.contiguous().mT[:, ::2]
    other = concepts.flip(-1).flip(-1).mT.contiguous().mT
    assert not strided.is_contiguous()
    assert not other.is_contiguous()
    value, grad = gradient(modularity_loss, other, strided)
    plain, plain_grad = gradient(plain_loss, concepts, tokens[:, ::2])
    torch.testing.assert_close(value, plain)
    torch.testing.assert_close(grad, plain_grad)


def test_pixels_stay_frozen():
    tokens, concepts = scene(1, 20, 4, 6, seed=5)
    gradient(modularity_loss, concepts, tokens.requires_grad_())
    assert tokens.grad is None


def test_a_high_constant_threshold_keeps_alike_things_apart():
    corners = torch.nn.functional.normalize(torch.eye(3) + 1 / 3, dim=1)  # cosines of 0.5
    tokens = corners.repeat_interleave(5, dim=0)[None]
    one, three = corners.mean(dim=0)[None, None], corners[None]
    high = torch.tensor([0.9])
    split, whole = (modularity_loss(tokens, c, threshold=high) for c in (three, one))
    assert split < whole


def test_scale_of_the_inputs_does_not_matter():
    tokens, concepts = scene(1, 20, 3, 6, seed=6)
    torch.testing.assert_close(
        modularity_loss(tokens * 37, concepts * 0.01), modularity_loss(tokens, concepts)
    )


def test_the_true_split_of_two_cliques_has_the_modularity_of_the_textbook():
    tokens = torch.eye(2).repeat_interleave(6, dim=0)[None]
    assert modularity_loss(tokens, torch.eye(2)[None]).item() == pytest.approx(-0.5)
    assert modularity_loss(tokens, torch.ones(1, 1, 2)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("tokens", "self_affinity"),
    [(torch.zeros(1, 5, 3), True), (torch.ones(1, 1, 3), False)],
    ids=["only zero vectors", "one pixel, no diagonal"],
)
def test_no_affinity_at_all_gives_zero(tokens, self_affinity):
    value, grad = gradient(
        modularity_loss, torch.ones(1, 2, 3), tokens, self_affinity=self_affinity
    )
    assert value == 0
    assert torch.equal(grad, torch.zeros(1, 2, 3))


@pytest.mark.parametrize(
    ("tokens", "concepts", "kwargs", "found"),
    [
        (torch.ones(4, 3), torch.ones(1, 2, 3), {}, r"tokens must be \(B, N, D\).*\(4, 3\)"),
        (torch.ones(1, 0, 3), torch.ones(1, 2, 3), {}, r"no empty dimension.*\(1, 0, 3\)"),
        (torch.ones(1, 4, 3), torch.ones(2, 3), {}, r"concepts must be \(B, k, D\).*\(2, 3\)"),
        (torch.ones(1, 4, 3), torch.ones(1, 2, 5), {}, r"agree in B and D.*\(1, 2, 5\)"),
        (torch.ones(2, 4, 3), torch.ones(1, 2, 3), {}, r"agree in B and D.*\(1, 2, 3\)"),
        (torch.ones(1, 4, 3).long(), torch.ones(1, 2, 3), {}, r"tokens.*torch.int64"),
        (torch.ones(1, 4, 3), torch.ones(1, 2, 3).int(), {}, r"concepts.*torch.int32"),
        (torch.ones(1, 4, 3), torch.ones(1, 2, 3), {"precision": "half"}, "bfloat16, found 'half'"),
        (
            torch.ones(1, 4, 3),
            torch.ones(1, 2, 3),
            {"threshold": torch.ones(3)},
            r"threshold must be \(B,\).*found \(3,\)",
        ),
    ],
)
def test_errors_say_what_was_found(tokens, concepts, kwargs, found):
    with pytest.raises(ValueError, match=found):
        modularity_loss(tokens, concepts, **kwargs)
