import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.images.batch import LONGEST, fitted_size, to_tensor


@settings(deadline=None)
@given(
    st.integers(1, 5000), st.integers(1, 5000), st.integers(16, 640), st.sampled_from([8, 14, 16])
)
def test_sizes_are_multiples_within_the_bounds(
    height: int, width: int, side: int, multiple: int
) -> None:
    high, wide = fitted_size(height, width, side=side, multiple=multiple)
    assert high % multiple == wide % multiple == 0
    assert min(high, wide) >= multiple
    assert max(high, wide) <= LONGEST * side + multiple / 2
    if max(height, width) <= LONGEST * min(height, width) and side >= multiple:
        assert abs(min(high, wide) - side) <= multiple / 2
    if min(height, width) == height:
        assert high <= wide


def test_known_sizes() -> None:
    assert fitted_size(480, 640, side=240, multiple=16) == (240, 320)
    assert fitted_size(100, 1000, side=320, multiple=16) == (96, 960)
    with pytest.raises(ValueError, match="1 or more"):
        fitted_size(0, 5, side=8, multiple=8)


def test_a_tensor_is_like_the_picture() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 30:] = (255, 51, 0)
    tensor = to_tensor(image[:, ::-1], side=16, multiple=8)  # not contiguous
    assert tensor.shape == (3, 16, 24)
    assert tensor.dtype == torch.float32
    torch.testing.assert_close(tensor[:, 8, 2], torch.tensor([1.0, 0.2, 0.0]))
    assert tensor[:, :, -1].max() == 0


def test_making_smaller_averages() -> None:
    board = np.indices((64, 64)).sum(0) % 2 * 255
    tensor = to_tensor(np.repeat(board[..., None], 3, 2).astype(np.uint8), side=8, multiple=8)
    torch.testing.assert_close(tensor, torch.full_like(tensor, 0.5), atol=0.02, rtol=0)


@pytest.mark.parametrize("image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3))])
def test_only_pictures_that_were_read_are_taken(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        to_tensor(image, side=8, multiple=8)
