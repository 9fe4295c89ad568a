"""Joined blocks, against the weighted mean of the blocks' cosines."""

import pytest
import torch
import torch.nn.functional as F

from acseg.concepts.join import join_blocks


def test_cosines_are_the_weighted_mean():
    a, b = torch.randn(2, 7, 5), 100 * torch.randn(2, 7, 3)
    joined = join_blocks([a, b], [1, 3])
    assert joined.shape == (2, 7, 8)
    expected = sum(
        w * F.normalize(x, dim=-1) @ F.normalize(x, dim=-1).mT for x, w in ((a, 0.25), (b, 0.75))
    )
    torch.testing.assert_close(joined @ joined.mT, expected)
    torch.testing.assert_close(joined.norm(dim=-1), torch.ones(2, 7))


def test_same_weights_by_default_and_half_precision_becomes_float32():
    block = torch.randn(4, 6).half()
    joined = join_blocks([block, block])
    assert joined.dtype == torch.float32
    torch.testing.assert_close(joined, join_blocks([block, block], [2.0, 2.0]))


@pytest.mark.parametrize(
    ("blocks", "weights"),
    [
        ([], None),
        ([torch.ones(3, 2), torch.ones(4, 2)], None),
        ([torch.ones(3, 2)], [1, 2]),
        ([torch.ones(3, 2)], [0]),
    ],
)
def test_what_does_not_fit_is_refused(blocks, weights):
    with pytest.raises(ValueError, match="must be"):
        join_blocks(blocks, weights)
