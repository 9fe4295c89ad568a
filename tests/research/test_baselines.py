import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from research.baselines import BASELINES, NEEDS_IMAGE, NEEDS_K, cluster

ON_PIXELS = sorted(set(BASELINES) - NEEDS_IMAGE)
TRUE = np.repeat([0, 1, 2], [60, 40, 20])


def scene(seed: int = 0, noise: float = 0.2, dim: int = 16) -> np.ndarray:
    """Three groups of unequal size with a shared direction, and lengths that mean nothing."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, dim)) + 0.3
    pixels = centres[TRUE] + noise * rng.normal(size=(len(TRUE), dim))
    return pixels * rng.uniform(0.5, 20, (len(TRUE), 1))


def is_compact(labels: np.ndarray) -> bool:
    return sorted(set(labels.tolist())) == list(range(labels.max() + 1))


@pytest.mark.parametrize("method", ON_PIXELS)
def test_finds_well_separated_groups(method):
    labels = cluster(scene(), method, k=3)
    assert labels.shape == (120,)
    assert labels.dtype == np.int64
    assert is_compact(labels)
    assert adjusted_rand_score(TRUE, labels) > 0.95


@pytest.mark.parametrize("method", ON_PIXELS)
def test_length_of_the_pixels_does_not_matter(method):
    pixels = scene(1)
    longer = pixels * np.random.default_rng(2).uniform(1, 9, (120, 1))
    one, other = cluster(pixels, method, k=3), cluster(longer, method, k=3)
    assert adjusted_rand_score(one, other) == 1.0


@pytest.mark.parametrize("method", ON_PIXELS)
def test_same_seed_same_labels(method):
    pixels = scene(3, noise=1.0)
    one = cluster(pixels, method, k=4, seed=5)
    np.testing.assert_array_equal(one, cluster(pixels, method, k=4, seed=5))


@pytest.mark.parametrize("method", ON_PIXELS)
@pytest.mark.parametrize("k", [1, 2, 7])
def test_uneasy_input_gives_labels_and_no_warnings(method, k):
    rng = np.random.default_rng(0)
    holes = rng.normal(size=(30, 4)).astype(np.float32)
    holes[::3] = 0
    for pixels in (holes, np.ones((9, 4)), np.zeros((5, 3)), np.ones((1, 2)), np.eye(3, 6)[:2]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            labels = cluster(pixels, method, k=k)
        assert labels.shape == (len(pixels),)
        assert is_compact(labels)
        if method in NEEDS_K:
            assert labels.max() < k


@pytest.mark.parametrize("method", sorted(NEEDS_K - NEEDS_IMAGE))
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), k=st.integers(1, 12))
def test_fixed_number_is_kept_on_distinct_pixels(method, seed, k):
    pixels = np.random.default_rng(seed).normal(size=(40, 6))
    assert cluster(pixels, method, k=k).max() + 1 == k


def test_affinity_propagation_without_an_exemplar_is_one_cluster():
    labels = cluster(scene(noise=2.0), "affinity-propagation", max_iter=1)
    assert labels.tolist() == [0] * 120


def test_affinity_propagation_finds_more_with_a_higher_preference():
    pixels = scene(noise=1.0)
    few = cluster(pixels, "affinity-propagation")
    many = cluster(pixels, "affinity-propagation", preference="median")
    assert many.max() > few.max()


def test_cut_takes_k_as_an_upper_bound():
    assert cluster(scene(), "ncut", k=2).max() + 1 == 2
    assert cluster(scene(), "ncut", k=9).max() + 1 == 3


def test_cut_with_the_threshold_of_the_cut_family():
    labels = cluster(np.repeat(np.eye(3), 10, axis=0), "ncut", threshold=0.2)
    np.testing.assert_array_equal(np.bincount(labels), [10, 10, 10])


@pytest.mark.parametrize("method", sorted(NEEDS_IMAGE))
def test_merged_superpixels_see_the_picture(method):
    pytest.importorskip("skimage")
    image = np.full((64, 96, 3), 30, np.uint8)
    image[:, 32:64] = (200, 30, 30)
    image[:, 64:] = (30, 30, 220)
    image[::7, ::5] += 3  # so that there is something to cut
    labels = cluster(
        np.zeros((8 * 12, 3)), method, k=3, grid=(8, 12), image=image, scale=10.0
    ).reshape(8, 12)
    expected = np.repeat([[0] * 4 + [1] * 4 + [2] * 4], 8, axis=0)
    assert adjusted_rand_score(expected.ravel(), labels.ravel()) > 0.9
    assert labels.max() + 1 == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "dbscan"}, "'dbscan' is unknown; take one of kmeans, spectral"),
        ({"method": "kmeans"}, "kmeans needs a number of clusters: k is None"),
        ({"method": "kmeans", "k": 0}, "k is 0"),
        ({"method": "slic", "k": 3}, "slic works on the picture"),
        (
            {"method": "slic", "k": 3, "image": np.zeros((9, 9, 3), np.uint8), "grid": (2, 2)},
            r"grid is \(2, 2\), but there are 120 pixels",
        ),
    ],
)
def test_wrong_use_is_said_clearly(given, words):
    with pytest.raises(ValueError, match=words):
        cluster(scene(), **given)


def test_pixels_must_be_a_matrix():
    with pytest.raises(ValueError, match=r"\(2, 3, 4\); expected \(N, D\)"):
        cluster(np.zeros((2, 3, 4)), "kmeans", k=2)
