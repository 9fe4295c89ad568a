import sys

import numpy as np
import pytest

from acseg.errors import AcsegError
from research.superpixels import merged_superpixels

TILES = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
TILES = TILES.repeat(10, axis=0).repeat(10, axis=1)  # (40, 50, 3)


def connected(labels: np.ndarray) -> bool:
    from scipy.ndimage import label

    return all(label(labels == value)[1] == 1 for value in range(labels.max() + 1))


@pytest.mark.parametrize("method", ["slic", "felzenszwalb"])
def test_merging_leaves_k_connected_regions(method):
    pytest.importorskip("skimage")
    labels = merged_superpixels(TILES, method, k=4, segments=60, scale=1.0)
    assert labels.shape == (40, 50)
    assert labels.max() + 1 == 4
    assert connected(labels)


def test_fewer_superpixels_than_k_stay_as_they_are():
    pytest.importorskip("skimage")
    plain = np.zeros((30, 30, 3), np.uint8)
    assert merged_superpixels(plain, "felzenszwalb", k=5).max() == 0


def test_unknown_method_is_named():
    pytest.importorskip("skimage")
    with pytest.raises(ValueError, match="'watershed'"):
        merged_superpixels(TILES, "watershed", k=2)


def test_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.color", None)
    with pytest.raises(AcsegError, match=r"acseg\[demo\]"):
        merged_superpixels(TILES, "slic", k=2)
