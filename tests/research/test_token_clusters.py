import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from acseg.errors import DataError
from research.token_clusters import fit_pixel_clusters, pixel_scores

CENTRES = np.random.default_rng(1).normal(size=(4, 12))


def image(seed: int, size: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of two of the four classes, with lengths that mean nothing."""
    rng = np.random.default_rng(seed)
    truth = rng.choice([seed % 4, (seed + 1) % 4], size)
    pixels = CENTRES[truth] + 0.2 * rng.normal(size=(size, 12))
    return pixels * rng.uniform(0.1, 30, (size, 1)), truth


def test_one_cluster_means_one_class_in_every_image():
    images = [image(seed, 50 + seed) for seed in range(8)]
    centres = fit_pixel_clusters((pixels for pixels, _ in images), 4, per_image=40)
    assert centres.shape == (4, 12)
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1)
    found = np.concatenate([pixel_scores(pixels, centres).argmax(1) for pixels, _ in images])
    assert adjusted_rand_score(np.concatenate([truth for _, truth in images]), found) > 0.95


def test_scores_are_cosines():
    pixels = np.array([[3.0, 0.0], [0.0, 0.0]])
    scores = pixel_scores(pixels, np.array([[1.0, 0.0], [0.6, 0.8]]))
    np.testing.assert_allclose(scores, [[1, 0.6], [0, 0]])


def test_same_seed_same_centres():
    pixels = [image(seed)[0] for seed in range(4)]
    one, other = (fit_pixel_clusters(pixels, 4, seed=7) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_too_few_pixels_are_said():
    with pytest.raises(DataError, match="5 pixels cannot make 6 clusters"):
        fit_pixel_clusters([np.eye(5)], 6)
