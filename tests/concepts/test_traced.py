"""Labels in ONNX's operators, against the concept tree."""

import torch

from acseg.concepts.division import divide_by_concepts
from acseg.concepts.exact import compact
from acseg.concepts.traced import label_by_concepts


def scenes(pictures=3, n=80, k=9, dim=12):
    g = torch.Generator().manual_seed(0)
    return torch.randn(pictures, n, dim, generator=g) + 0.5, torch.randn(
        pictures, k, dim, generator=g
    )


def test_is_the_default_cut_of_the_tree():
    tokens, concepts = scenes()
    for threshold in (-0.9, 0.1, 0.25, 0.4, 0.9):
        found = label_by_concepts(tokens, concepts, torch.full((3,), threshold))
        for x, c, labels in zip(tokens, concepts, found, strict=True):
            division = divide_by_concepts(x, c, threshold=threshold, least=1)
            assert torch.equal(compact(labels), compact(division.labels()))


def test_takes_each_pictures_own_threshold():
    tokens, concepts = scenes()
    for x, c, labels in zip(tokens, concepts, label_by_concepts(tokens, concepts), strict=True):
        division = divide_by_concepts(x, c, least=1)
        assert torch.equal(compact(labels), compact(division.labels()))


def test_can_be_exported():
    tokens, concepts = scenes()

    class Labels(torch.nn.Module):
        def forward(self, tokens, concepts):
            return label_by_concepts(tokens, concepts)

    program = torch.export.export(Labels(), (tokens, concepts))
    again, other = scenes(n=80)
    expected = label_by_concepts(2 * again, other.flip(1))
    assert torch.equal(program.module()(2 * again, other.flip(1)), expected)
