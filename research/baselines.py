"""Other ways to cluster the pixels of one image, behind one call: what the ACG is compared with.

All of them see the same geometry: pixels of length one, compared by cosine.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from acseg.output.sampling import sample_labels
from research.ncut import recursive_ncut
from research.superpixels import merged_superpixels


def cluster(
    pixels: np.ndarray,
    method: str,
    *,
    k: int | None = None,
    seed: int = 0,
    grid: tuple[int, int] | None = None,
    image: np.ndarray | None = None,
    **settings: Any,
) -> np.ndarray:
    """Cluster the pixels of one image by a named method.

    Parameters
    ----------
    pixels : (N, D) float
        Pixel representations; their length does not matter.
    method : str
        One of `BASELINES`.
    k : int, optional
        Number of clusters. Required by the methods in `NEEDS_K`; "ncut" takes it as an upper bound;
        the others find their own number and do not look at it.
    seed : int, default 0
        For the methods that draw at random.
    grid : (h, w), optional
        Shape of the feature grid, for the methods in `NEEDS_IMAGE`.
    image : (H, W, 3) uint8, optional
        The picture itself, for the methods in `NEEDS_IMAGE`.
    **settings
        What else the method takes, see its own function.

    Returns
    -------
    (N,) int64
        Cluster of each pixel, 0 .. n - 1, every one of them in use.

    Raises
    ------
    ValueError
        If the method is unknown, or lacks `k`, `grid` or `image`.
    """
    if method not in BASELINES:
        raise ValueError(f"method {method!r} is unknown; take one of {', '.join(BASELINES)}")
    pixels = np.asarray(pixels, dtype=np.float64)
    if pixels.ndim != 2:
        raise ValueError(f"pixels have shape {pixels.shape}; expected (N, D)")
    if method in NEEDS_K:
        if k is None or k < 1:
            raise ValueError(f"{method} needs a number of clusters: k is {k}; expected 1 or more")
        k = min(k, len(pixels))
    if method in NEEDS_IMAGE:
        if image is None or grid is None:
            raise ValueError(f"{method} works on the picture: give image and grid")
        if grid[0] * grid[1] != len(pixels):
            raise ValueError(f"grid is {grid}, but there are {len(pixels)} pixels")
        settings |= {"image": image, "grid": grid}
    if len(pixels) < 2 or (k == 1 and method in NEEDS_K):
        return np.zeros(len(pixels), dtype=np.int64)
    with warnings.catch_warnings():  # what they warn of is said in their docstrings
        warnings.simplefilter("ignore")
        labels = BASELINES[method](unit(pixels), k=k, seed=seed, **settings)
    return np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)


def unit(pixels: np.ndarray) -> np.ndarray:
    """Pixels of length one, (N, D); a zero stays zero."""
    length = np.linalg.norm(pixels, axis=1, keepdims=True)
    return pixels / np.where(length > 0, length, 1)


def kmeans(x: np.ndarray, *, k: int, seed: int, restarts: int = 2) -> np.ndarray:
    """k-means; on vectors of length one its distance is monotone in the cosine."""
    from sklearn.cluster import KMeans

    return KMeans(k, n_init=restarts, random_state=seed).fit_predict(x)


def spectral(x: np.ndarray, *, k: int, seed: int) -> np.ndarray:
    """Spectral clustering on the affinity of the paper, ``max(0, cos)``."""
    from sklearn.cluster import SpectralClustering

    model = SpectralClustering(k, affinity="precomputed", random_state=seed)
    return model.fit_predict(affinity(x))


def agglomerative(x: np.ndarray, *, k: int, seed: int) -> np.ndarray:
    """Agglomerative clustering, average linkage on the cosine distance; nothing is drawn."""
    from sklearn.cluster import AgglomerativeClustering

    distance = np.maximum(1 - x @ x.T, 0)  # the library's own refuses zero vectors
    return AgglomerativeClustering(k, metric="precomputed", linkage="average").fit_predict(distance)


def affinity_propagation(
    x: np.ndarray,
    *,
    k: int | None,
    seed: int,
    preference: float | str = "minimum",
    damping: float = 0.9,
    max_iter: int = 200,
) -> np.ndarray:
    """Affinity propagation on the cosine; finds its own number of clusters.

    Parameters
    ----------
    preference : {"minimum", "median"} or float, default "minimum"
        Readiness of a pixel to be an exemplar. The lowest similarity gives few clusters, the median
        of the similarities many (Frey and Dueck, Science 2007).
    damping, max_iter
        As in scikit-learn. Where it does not converge to any exemplar, all pixels get label 0.
    """
    from sklearn.cluster import AffinityPropagation

    similarity = x @ x.T
    if preference == "minimum":
        preference = float(similarity.min())
    elif preference == "median":
        preference = float(np.median(similarity))
    model = AffinityPropagation(
        affinity="precomputed",
        preference=preference,
        damping=damping,
        max_iter=max_iter,
        random_state=seed,
    )
    labels = model.fit_predict(similarity)
    return np.maximum(labels, 0)


def mean_shift(
    x: np.ndarray, *, k: int | None, seed: int, quantile: float = 0.2, seeds: int = 64
) -> np.ndarray:
    """Mean shift with a bandwidth estimated from the image; finds its own number of clusters.

    Parameters
    ----------
    quantile : float, default 0.2
        Share of the distances below the bandwidth; 0.1 to 0.4.
    seeds : int, default 64
        Pixels, evenly spaced, from which modes are sought; all of them would take minutes.
    """
    from sklearn.cluster import MeanShift, estimate_bandwidth

    bandwidth = estimate_bandwidth(x, quantile=quantile, n_samples=500, random_state=seed)
    if bandwidth <= 0:  # all alike
        return np.zeros(len(x), dtype=np.int64)
    start = x[:: max(1, len(x) // seeds)]
    return MeanShift(bandwidth=bandwidth, seeds=start, max_iter=100).fit_predict(x)


def ncut(
    x: np.ndarray,
    *,
    k: int | None,
    seed: int,
    power: float = 10.0,
    threshold: float | None = None,
    max_ncut: float = 0.5,
    min_size: int = 4,
) -> np.ndarray:
    """Recursive normalised cut (`recursive_ncut`); finds its number of clusters, at most k.

    Parameters
    ----------
    power : float, default 10
        The affinity is ``max(0, cos) ** power``, as in DiffCut; 1 to 20.
    threshold : float, optional
        Take 1 above this cosine and 1e-5 below it instead, as TokenCut (0.2) and MaskCut (0.15) do.
    max_ncut, min_size
        When to stop.
    """
    weights = affinity(x) ** power
    if threshold is not None:
        weights = np.where(x @ x.T > threshold, 1.0, 1e-5)
    return recursive_ncut(weights, k=k, max_ncut=max_ncut, min_size=min_size)


def superpixels(method: str) -> Callable[..., np.ndarray]:
    """Make a baseline of merged superpixels, read at the middle of each pixel of the grid."""

    def on_grid(
        x: np.ndarray,
        *,
        k: int,
        seed: int,
        image: np.ndarray,
        grid: tuple[int, int],
        **settings: Any,
    ) -> np.ndarray:
        regions = merged_superpixels(image, method, k=k, **settings)  # (H, W)
        return sample_labels(regions, (grid[1], grid[0])).reshape(-1)

    return on_grid


def affinity(x: np.ndarray) -> np.ndarray:
    """The paper's affinity ``max(0, cos)`` of unit vectors, (N, N)."""
    return np.maximum(x @ x.T, 0)


BASELINES: dict[str, Callable[..., np.ndarray]] = {
    "kmeans": kmeans,
    "spectral": spectral,
    "agglomerative": agglomerative,
    "affinity-propagation": affinity_propagation,
    "mean-shift": mean_shift,
    "ncut": ncut,
    "felzenszwalb": superpixels("felzenszwalb"),
    "slic": superpixels("slic"),
}
NEEDS_K = frozenset({"kmeans", "spectral", "agglomerative", "felzenszwalb", "slic"})
NEEDS_IMAGE = frozenset({"felzenszwalb", "slic"})
