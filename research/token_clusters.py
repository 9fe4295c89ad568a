"""The plain baseline that everybody quotes: k-means on the pixels of a whole collection."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np

from acseg.errors import DataError
from research.baselines import unit


def fit_pixel_clusters(
    pixels: Iterable[np.ndarray],
    classes: int,
    *,
    seed: int = 0,
    per_image: int = 64,
    restarts: int = 3,
) -> np.ndarray:
    """Cluster pixels drawn from every image of a collection by mini-batch k-means.

    Parameters
    ----------
    pixels : iterable of (N, D) float
        Pixel representations, one entry an image; N may differ.
    classes : int
        Number of clusters. As many as there are classes for protocol P1, more for P2.
    seed : int, default 0
        For the draw and the first centres.
    per_image : int, default 64
        Pixels drawn from each image at most; 16 to 256.
    restarts : int, default 3
        Starts of k-means, of which the best is kept.

    Returns
    -------
    (classes, D) float64
        Centres of length one.

    Raises
    ------
    DataError
        If there are fewer pixels than clusters.
    """
    from sklearn.cluster import MiniBatchKMeans

    rng = np.random.default_rng(seed)
    drawn = []
    for image in pixels:
        image = np.asarray(image, dtype=np.float64)
        drawn.append(image[rng.permutation(len(image))[:per_image]])
    found = sum(len(image) for image in drawn)
    if found < classes:
        raise DataError(f"{found} pixels cannot make {classes} clusters; give more images")
    model = MiniBatchKMeans(classes, n_init=restarts, random_state=seed, batch_size=4096)
    with warnings.catch_warnings():  # fewer distinct pixels than clusters: some stay empty
        warnings.simplefilter("ignore")
        model.fit(unit(np.concatenate(drawn)))
    return unit(model.cluster_centers_)


def pixel_scores(pixels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Score every pixel against every centre by cosine, (N, C); the largest is its cluster."""
    return unit(np.asarray(pixels, dtype=np.float64)) @ centres.T
