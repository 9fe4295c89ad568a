"""The tiled loss against the plain dense formula."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.concepts import modularity, modularity_tiles
from acseg.concepts.modularity import modularity_loss, pixel_degrees


def cosine(a, b):
    return torch.nn.functional.cosine_similarity(a[:, :, None], b[:, None], dim=-1, eps=1e-12)


def dense_loss(pixels, concepts, self_affinity=True):
    """The formula of the paper, one line each, in float64."""
    pixels, concepts = pixels.double(), concepts.double()
    A = cosine(pixels, pixels).clamp(min=0)
    if not self_affinity:
        A = A * (1 - torch.eye(A.shape[1], dtype=A.dtype))
    d = A.sum(dim=2)
    losses = []
    for a, deg, s in zip(A, d, cosine(pixels, concepts).clamp(min=0)):
        total = a.sum()
        if total == 0:
            losses.append(0 * s.sum())
            continue
        W = a - torch.outer(deg, deg) / total
        delta = (s[:, None, :] * s[None, :, :]).max(dim=2).values
        losses.append(-(W * delta).sum() / total)
    return torch.stack(losses).mean()


def gradient(loss, concepts, *args, **kwargs):
    leaf = concepts.clone().requires_grad_()
    value = loss(*args, leaf, **kwargs)
    value.backward()
    return value.detach(), leaf.grad


def scene(batch, n, k, dim, seed, dtype=torch.float64):
    """Pixels with a shared direction, so that affinities and assignments are of both signs."""
    generator = torch.Generator().manual_seed(seed)
    shift = torch.randn(batch, 1, dim, generator=generator, dtype=dtype) / 2
    pixels = torch.randn(batch, n, dim, generator=generator, dtype=dtype) + shift
    concepts = torch.randn(batch, k, dim, generator=generator, dtype=dtype) + shift
    return pixels, concepts


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 3),
    n=st.integers(1, 40),
    k=st.integers(1, 16),
    dim=st.integers(1, 9),
    tile=st.integers(1, 45),
    kept=st.booleans(),
    self_affinity=st.booleans(),
    zero_pixel=st.booleans(),
    zero_concept=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_value_and_gradient_are_those_of_the_dense_formula(
    batch, n, k, dim, tile, kept, self_affinity, zero_pixel, zero_concept, seed
):
    pixels, concepts = scene(batch, n, k, dim, seed)
    if zero_pixel:
        pixels[0, seed % n] = 0
    if zero_concept:
        concepts[-1, seed % k] = 0
    with pytest.MonkeyPatch.context() as patch:
        if not kept:
            patch.setattr(modularity_tiles, "AFFINITY_BYTES", 0)
        value, grad = gradient(
            modularity_loss, concepts, pixels, self_affinity=self_affinity, tile=tile
        )
    plain, plain_grad = gradient(dense_loss, concepts, pixels, self_affinity=self_affinity)
    torch.testing.assert_close(value, plain, rtol=1e-9, atol=1e-12)
    if dim > 1:  # in one dimension all cosines are 1: ties everywhere, the slope is not unique
        torch.testing.assert_close(grad, plain_grad, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("self_affinity", [True, False])
def test_gradcheck(self_affinity):
    pixels, concepts = scene(2, 11, 3, 5, seed=1)
    torch.autograd.gradcheck(
        lambda c: modularity_loss(pixels, c, self_affinity=self_affinity, tile=4),
        concepts.requires_grad_(),
    )


def test_tied_concepts_share_nothing_the_first_takes_the_pair():
    pixels, concepts = scene(1, 9, 3, 4, seed=2)
    concepts[0, 1] = concepts[0, 0]
    concepts[0, 2] = -concepts[0, 0]
    _, grad = gradient(modularity_loss, concepts, pixels, tile=4)
    _, single = gradient(modularity_loss, concepts[:, [0, 2]], pixels, tile=4)
    torch.testing.assert_close(grad[:, [0, 2]], single)
    assert grad[0, 0].norm() > 0
    assert grad[0, 1].norm() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_narrow_types_are_computed_in_float32(dtype):
    pixels, concepts = (x.to(dtype) for x in scene(2, 30, 4, 8, seed=3))
    value, grad = gradient(modularity_loss, concepts, pixels)
    plain, plain_grad = gradient(dense_loss, concepts, pixels)
    assert value.dtype == torch.float32
    assert grad.dtype == dtype
    torch.testing.assert_close(value.double(), plain, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(grad.double(), plain_grad.double(), rtol=2e-2, atol=1e-4)


@pytest.mark.parametrize("n", [1, 50, 320])
@pytest.mark.parametrize("shared", [0, 1, 3, 7], ids=lambda s: f"shared {s}")
def test_bfloat16_keeps_the_stated_error(n, shared, monkeypatch):
    monkeypatch.setattr(modularity, "has_bfloat16", lambda device: True)
    generator = torch.Generator().manual_seed(n)
    direction = torch.randn(2, 1, 64, generator=generator)
    pixels = torch.randn(2, n, 64, generator=generator) + shared * direction
    concepts = torch.randn(2, 5, 64, generator=generator) + shared * direction
    value, grad = gradient(modularity_loss, concepts, pixels, precision="bfloat16", tile=200)
    plain, plain_grad = gradient(dense_loss, concepts, pixels)
    assert value.dtype == grad.dtype == torch.float32
    assert (grad - plain_grad).norm() <= 1e-2 * plain_grad.norm() + 1e-6
    assert abs(value - plain) <= 1e-3 * abs(plain) + 1e-6
    if n > 1:
        assert not torch.equal(grad, gradient(modularity_loss, concepts, pixels)[1])


def test_bfloat16_without_the_hardware_or_in_float64_is_exact(monkeypatch):
    pixels, concepts = scene(2, 40, 3, 8, seed=8, dtype=torch.float32)
    monkeypatch.setattr(modularity, "has_bfloat16", lambda device: False)
    rounded = modularity_loss(pixels, concepts, precision="bfloat16")
    assert torch.equal(rounded, modularity_loss(pixels, concepts))
    monkeypatch.setattr(modularity, "has_bfloat16", lambda device: True)
    rounded = modularity_loss(pixels.double(), concepts, precision="bfloat16")
    assert torch.equal(rounded, modularity_loss(pixels.double(), concepts))
    assert not torch.equal(
        modularity_loss(pixels, concepts, precision="bfloat16"), modularity_loss(pixels, concepts)
    )


def test_autocast_does_not_lower_the_precision():
    pixels, concepts = scene(1, 30, 4, 8, seed=3, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = modularity_loss(pixels, concepts)
    assert torch.equal(inside, modularity_loss(pixels, concepts))


def test_non_contiguous_inputs():
    pixels, concepts = scene(2, 24, 4, 6, seed=4)
    strided = pixels.mT.contiguous().mT[:, ::2]
    other = concepts.flip(-1).flip(-1).mT.contiguous().mT
    assert not strided.is_contiguous()
    assert not other.is_contiguous()
    value, grad = gradient(modularity_loss, other, strided, tile=5)
    plain, plain_grad = gradient(dense_loss, concepts, pixels[:, ::2])
    torch.testing.assert_close(value, plain)
    torch.testing.assert_close(grad, plain_grad)


def test_known_degrees_give_the_same_and_pixels_stay_frozen():
    pixels, concepts = scene(3, 50, 4, 6, seed=5)
    pixels.requires_grad_()
    for self_affinity in (True, False):
        degrees = pixel_degrees(pixels, self_affinity=self_affinity, tile=16)
        affinities = cosine(pixels, pixels).clamp(min=0).detach()
        expected = affinities.sum(dim=2) - (0 if self_affinity else 1)
        torch.testing.assert_close(degrees, expected)
        settings = {"self_affinity": self_affinity, "tile": 16}
        value, grad = gradient(modularity_loss, concepts, pixels, degrees=degrees, **settings)
        other, other_grad = gradient(modularity_loss, concepts, pixels, **settings)
        torch.testing.assert_close(value, other)
        torch.testing.assert_close(grad, other_grad)
    assert pixels.grad is None


def test_scale_of_the_inputs_does_not_matter():
    pixels, concepts = scene(1, 20, 3, 6, seed=6)
    torch.testing.assert_close(
        modularity_loss(pixels * 37, concepts * 0.01), modularity_loss(pixels, concepts)
    )


def test_the_true_split_of_two_cliques_has_the_modularity_of_the_textbook():
    pixels = torch.eye(2).repeat_interleave(6, dim=0)[None]
    assert modularity_loss(pixels, torch.eye(2)[None]).item() == pytest.approx(-0.5)
    assert modularity_loss(pixels, torch.ones(1, 1, 2)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("pixels", "self_affinity"),
    [(torch.zeros(1, 5, 3), True), (torch.ones(1, 1, 3), False)],
    ids=["only zero vectors", "one pixel, no diagonal"],
)
def test_no_affinity_at_all_gives_zero(pixels, self_affinity):
    value, grad = gradient(
        modularity_loss, torch.ones(1, 2, 3), pixels, self_affinity=self_affinity
    )
    assert value == 0
    assert torch.equal(grad, torch.zeros(1, 2, 3))


@pytest.mark.parametrize(
    ("pixels", "concepts", "kwargs", "found"),
    [
        (torch.ones(4, 3), torch.ones(1, 2, 3), {}, r"pixels must be \(B, N, D\).*\(4, 3\)"),
        (torch.ones(1, 0, 3), torch.ones(1, 2, 3), {}, r"no empty dimension.*\(1, 0, 3\)"),
        (torch.ones(1, 4, 3), torch.ones(2, 3), {}, r"concepts must be \(B, k, D\).*\(2, 3\)"),
        (torch.ones(1, 4, 3), torch.ones(1, 2, 5), {}, r"agree in B and D.*\(1, 2, 5\)"),
        (torch.ones(2, 4, 3), torch.ones(1, 2, 3), {}, r"agree in B and D.*\(1, 2, 3\)"),
        (torch.ones(1, 4, 3).long(), torch.ones(1, 2, 3), {}, r"pixels.*torch.int64"),
        (torch.ones(1, 4, 3), torch.ones(1, 2, 3).int(), {}, r"concepts.*torch.int32"),
        (torch.ones(1, 4, 3), torch.ones(1, 2, 3), {"tile": 0}, "at least 1 pixel, found 0"),
        (torch.ones(1, 4, 3), torch.ones(1, 2, 3), {"precision": "half"}, "bfloat16, found 'half'"),
        (
            torch.ones(1, 4, 3),
            torch.ones(1, 2, 3),
            {"degrees": torch.ones(1, 5)},
            r"\(1, 4\).*found \(1, 5\)",
        ),
    ],
)
def test_errors_say_what_was_found(pixels, concepts, kwargs, found):
    with pytest.raises(ValueError, match=found):
        modularity_loss(pixels, concepts, **kwargs)
