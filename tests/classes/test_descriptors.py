from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from acseg.classes.crops import crop_regions
from acseg.classes.descriptors import (
    KINDS,
    concept_vector,
    describe_crops,
    describe_regions,
    mean_token,
)
from acseg.classes.regions import find_regions, scale_boxes


@dataclass
class Encoded:
    tokens: torch.Tensor
    grid: tuple[int, int]
    cls: torch.Tensor | None = None


def encode(images: torch.Tensor) -> Encoded:
    """Average blocks of 4 pixels; shows what was seen and needs no weights."""
    pooled = functional.avg_pool2d(images, 4)
    pixels = pooled.flatten(2).transpose(1, 2)
    grid = (pooled.shape[2], pooled.shape[3])
    return Encoded(pixels, grid, cls=pixels.amax(dim=1))


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 6), pixels=st.integers(0, 30), dim=st.integers(1, 5), seed=st.integers(0))
def test_mean_token_is_the_mean_of_each_region(n, pixels, dim, seed):
    rng = np.random.default_rng(seed)
    values, labels = rng.normal(size=(pixels, dim)), rng.integers(0, n, pixels)
    means = mean_token(torch.from_numpy(values), torch.from_numpy(labels), n)
    assert means.shape == (n, dim)
    assert means.dtype == torch.float32
    for label in range(n):
        own = values[labels == label]
        plain = own.mean(axis=0) if len(own) else np.zeros(dim)
        np.testing.assert_allclose(means[label].numpy(), plain, atol=1e-5)


def test_mean_token_takes_half_precision_and_strides():
    values = torch.rand(3, 8).T  # (8, 3), not contiguous
    labels = torch.tensor([0, 1] * 4, dtype=torch.int32)
    torch.testing.assert_close(
        mean_token(values.bfloat16(), labels, 2),
        mean_token(values.contiguous(), labels, 2),
        atol=1e-2,
        rtol=1e-2,
    )


@pytest.mark.parametrize("labels", [[0, 2], [-1, 0], [0, 1, 1]])
def test_mean_token_refuses_labels_that_do_not_fit(labels):
    with pytest.raises(ValueError, match="labels"):
        mean_token(torch.rand(2, 3), torch.tensor(labels), 2)


def test_concept_vector_is_the_concept_of_the_label():
    concepts = torch.rand(2, 5, 3)
    regions = find_regions(torch.tensor([[[0, 4]], [[2, 2]]]))
    expected = torch.stack([concepts[0, 0], concepts[0, 4], concepts[1, 2]])
    torch.testing.assert_close(concept_vector(concepts, regions), expected)


def test_crops_in_batches_are_crops_at_once():
    crops = torch.rand(7, 3, 8, 8)
    calls = []

    def counted(images):
        calls.append(len(images))
        return encode(images)

    small = describe_crops(crops, counted, batch=3)
    plain = torch.stack([encode(crop[None]).tokens[0].mean(0) for crop in crops])
    torch.testing.assert_close(small, plain / plain.norm(dim=1, keepdim=True))
    assert calls == [3, 3, 1]


def test_mean_inside_the_mask_sees_the_inside_only():
    crops = torch.rand(3, 3, 8, 8)
    masks = torch.zeros(3, 8, 8)
    masks[0, :4, :4] = 1  # one pixel of the 2 x 2 grid
    masks[1, :4, :] = 1
    found = describe_crops(crops, encode, masks=masks)
    pixels = encode(crops).tokens
    plain = torch.stack([pixels[0, 0], pixels[1, :2].mean(0), pixels[2].mean(0)])
    torch.testing.assert_close(found, functional.normalize(plain, dim=1))


def test_cls_pool_and_its_errors():
    crops = torch.rand(2, 3, 8, 8)
    found = describe_crops(crops, encode, pool="cls")
    torch.testing.assert_close(found, functional.normalize(encode(crops).cls, dim=1))
    with pytest.raises(ValueError, match="no CLS token"):
        describe_crops(crops, lambda x: Encoded(encode(x).tokens, (2, 2)), pool="cls")
    with pytest.raises(ValueError, match="expected pool"):
        describe_crops(crops, encode, pool="max")
    with pytest.raises(ValueError, match="without masks"):
        describe_crops(crops, encode, pool="cls", masks=torch.ones(2, 8, 8))


@pytest.fixture
def scene():
    """Two images of 16 x 24 with their label grids of 4 x 6."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 16, 24, generator=generator)
    labels = torch.zeros(2, 4, 6, dtype=torch.long)
    labels[0, :, 3:] = 2
    labels[1, 1:3, 2:4] = 1
    return images, find_regions(labels)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_unit_rows(scene, kind):
    images, regions = scene
    pixels, concepts = torch.rand(2, 24, 3), torch.rand(2, 3, 3)
    found = describe_regions(
        regions,
        kind=kind,
        images=images,
        pixels=pixels,
        concepts=concepts,
        encode=encode,
        side=8,
        batch=3,
    )
    assert found.shape == (4, 3)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(4))


def test_crop_kind_is_the_crop_of_the_box(scene):
    images, regions = scene
    found = describe_regions(regions, images=images, encode=encode, side=8, batch=1, aspect=1.0)
    boxes = scale_boxes(regions.boxes, (4, 6), (16, 24), aspect=1.0)
    crops = crop_regions(images, boxes, 8, source=regions.image)
    torch.testing.assert_close(found, describe_crops(crops, encode))


def test_inside_kinds_see_nothing_of_the_rest(scene):
    images, regions = scene
    changed = images.clone()
    changed[1, :, 4:12, 8:16] = 0.5  # the small region of the second image
    for kind in ("crop-inside", "masked-crop"):
        before, after = (
            describe_regions(regions, kind=kind, images=x, encode=encode, side=24)
            for x in (images, changed)
        )
        same = torch.isclose(before, after, atol=1e-6).all(dim=1).tolist()
        assert same[:2] == [True, True]
        assert same[3] is False
    plain = [
        describe_regions(regions, images=x, encode=encode, side=24)[2] for x in (images, changed)
    ]
    assert not torch.allclose(*plain)


@pytest.mark.parametrize(
    ("kind", "needs"),
    [
        ("crop", "images"),
        ("mean-token", "pixels"),
        ("concept-vector", "concepts"),
        ("colour", "out of crop"),
    ],
)
def test_what_is_missing_is_named(scene, kind, needs):
    with pytest.raises(ValueError, match=needs):
        describe_regions(scene[1], kind=kind)
