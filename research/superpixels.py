"""Classical baselines without a network: superpixels of scikit-image, merged by mean colour."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_matrix

from acseg.errors import AcsegError


def merged_superpixels(
    image: np.ndarray,
    method: str,
    *,
    k: int,
    segments: int = 200,
    scale: float = 100.0,
    compactness: float = 10.0,
) -> np.ndarray:
    """Cut an image into superpixels and merge neighbours with like colours until k are left.

    Parameters
    ----------
    image : (H, W, 3) uint8
        RGB.
    method : {"felzenszwalb", "slic"}
        Which superpixels.
    k : int
        Regions to leave (Ward's criterion on mean Lab colours, neighbours only).
    segments : int, default 200
        Superpixels of SLIC; 100 to 1000.
    scale : float, default 100
        Felzenszwalb's preference for large superpixels; 50 to 500.
    compactness : float, default 10
        SLIC's weight of distance against colour; 1 to 30.

    Returns
    -------
    (H, W) int64
        Region of each picture element, 0 .. n - 1; n is below k where there are fewer superpixels.

    Raises
    ------
    AcsegError
        If scikit-image is not installed.
    """
    try:
        from skimage.color import rgb2lab
        from skimage.segmentation import felzenszwalb, slic
    except ImportError:
        raise AcsegError(
            f"the baseline {method!r} needs scikit-image: pip install 'acseg[demo]'"
        ) from None
    if method == "slic":
        pieces = slic(image, n_segments=segments, compactness=compactness, start_label=0)
    elif method == "felzenszwalb":
        pieces = felzenszwalb(image, scale=scale, sigma=0.8, min_size=20)
    else:
        raise ValueError(f"method is {method!r}; expected 'felzenszwalb' or 'slic'")
    pieces = np.unique(pieces, return_inverse=True)[1].reshape(image.shape[:2])
    number = int(pieces.max()) + 1
    if number <= k:
        return pieces.astype(np.int64)
    lab = rgb2lab(image).reshape(-1, 3)
    share = np.bincount(pieces.ravel(), minlength=number)
    sums = [np.bincount(pieces.ravel(), lab[:, i], minlength=number) for i in range(3)]
    colours = np.stack(sums, axis=1) / share[:, None]
    from sklearn.cluster import AgglomerativeClustering

    merger = AgglomerativeClustering(n_clusters=k, linkage="ward", connectivity=_neighbours(pieces))
    return merger.fit_predict(colours)[pieces].astype(np.int64)


def _neighbours(pieces: np.ndarray) -> Any:
    """Which pieces touch, as a sparse symmetric matrix."""
    down = np.stack([pieces[1:].ravel(), pieces[:-1].ravel()])
    right = np.stack([pieces[:, 1:].ravel(), pieces[:, :-1].ravel()])
    pairs = np.unique(np.concatenate([down, right], axis=1), axis=1)
    pairs = pairs[:, pairs[0] != pairs[1]]
    both = np.concatenate([pairs, pairs[::-1]], axis=1)
    number = int(pieces.max()) + 1
    return coo_matrix((np.ones(both.shape[1]), (both[0], both[1])), shape=(number, number)).tocsr()
