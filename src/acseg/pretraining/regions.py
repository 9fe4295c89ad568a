"""Regions without labels: over-segmentations at several scales, and figure against ground.

Both are computed once for each photograph, on its pixels alone. They are what pre-training
contrasts (as DetCon does with felzenszwalb masks) and what its affinity loss averages over.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import shortest_path

from acseg.errors import DataError

try:
    from skimage.color import rgb2lab
    from skimage.segmentation import felzenszwalb, slic
except ImportError as error:
    raise DataError("pre-training needs scikit-image: pip install 'acseg[pretrain]'") from error

SCALES = (50.0, 200.0, 800.0)  # felzenszwalb's scale: fine, middle, coarse
MAX_REGIONS = 32  # ids 0..31 a scale, largest first; what is beyond shares the last id


def oversegment(image: NDArray[np.uint8], *, scales: tuple[float, ...] = SCALES) -> NDArray:
    """Segment a photograph at several scales by felzenszwalb's graph merging.

    Parameters
    ----------
    image : (H, W, 3) uint8
        An sRGB photograph; about 100 to 200 px a side is fine enough for a ViT's grid.
    scales : tuple of float
        felzenszwalb's preference for larger regions; try 50 to 1000.

    Returns
    -------
    (S, H, W) uint8
        One map a scale; ids by decreasing area, at most `MAX_REGIONS` of them.
    """
    smallest = max(8, image.shape[0] * image.shape[1] // 400)
    maps = [felzenszwalb(image, scale=s, sigma=0.8, min_size=smallest) for s in scales]
    return np.stack([_by_area(m) for m in maps])


def _by_area(labels: NDArray) -> NDArray[np.uint8]:
    """Renumber labels by decreasing area and fold those beyond the last id into it."""
    areas = np.bincount(labels.ravel())
    rank = np.empty(len(areas), dtype=np.int64)
    rank[np.argsort(-areas, kind="stable")] = np.arange(len(areas))
    return np.minimum(rank, MAX_REGIONS - 1)[labels].astype(np.uint8)


def figure(image: NDArray[np.uint8], *, superpixels: int = 100) -> NDArray[np.float32]:
    """Score each pixel as figure (near 1) or ground (near 0) by robust background detection.

    Superpixels that are well connected to the border are ground; contrast against ground makes
    figure; a quadratic energy over the superpixel graph joins the two (after Zhu, Liang, Wei and
    Sun, "Saliency Optimization from Robust Background Detection", CVPR 2014; own code).

    Parameters
    ----------
    image : (H, W, 3) uint8
        An sRGB photograph.
    superpixels : int
        About how many superpixels; try 60 to 200.

    Returns
    -------
    (H, W) float32
        The score, 0 to 1.
    """
    parts = slic(image, n_segments=superpixels, compactness=15.0, start_label=0)
    n = int(parts.max()) + 1
    colour, centre = _means(image, parts, n)
    edges, border = _neighbours(parts)
    apart = np.linalg.norm(colour[:, None] - colour[None], axis=-1)  # (n, n) in Lab
    ground = _ground_weight(edges, border, apart)
    distance = np.linalg.norm(centre[:, None] - centre[None], axis=-1)
    near = np.exp(-(distance**2) / (2 * 0.25**2))
    contrast = (apart * near * ground[None]).sum(1)
    front = contrast / max(float(contrast.max()), 1e-9)
    smooth = np.zeros((n, n))
    i, j = edges.T
    smooth[i, j] = np.exp(-(apart[i, j] ** 2) / (2 * 10.0**2)) + 0.1
    smooth += smooth.T
    energy = np.diag(smooth.sum(1) + ground + front + 1e-6) - smooth
    score = np.linalg.solve(energy, front)
    return np.clip(score, 0.0, 1.0)[parts].astype(np.float32)


def _means(image: NDArray, parts: NDArray, n: int) -> tuple[NDArray, NDArray]:
    """Mean Lab colour (n, 3) and centre (n, 2), in 0..1, of each superpixel."""
    height, width = parts.shape
    lab = rgb2lab(image)
    rows, columns = np.mgrid[0:height, 0:width]
    count = np.bincount(parts.ravel(), minlength=n)[:, None]
    planes = [lab[..., 0], lab[..., 1], lab[..., 2], rows / height, columns / width]
    sums = np.stack([np.bincount(parts.ravel(), p.ravel(), n) for p in planes], axis=1)
    means = sums / np.maximum(count, 1)
    return means[:, :3], means[:, 3:]


def _neighbours(parts: NDArray) -> tuple[NDArray, NDArray]:
    """Pairs (E, 2) of touching superpixels, and the ids that touch the picture's border."""
    across = np.stack([parts[:, :-1].ravel(), parts[:, 1:].ravel()], axis=1)
    down = np.stack([parts[:-1].ravel(), parts[1:].ravel()], axis=1)
    pairs = np.sort(np.concatenate([across, down]), axis=1)
    edges = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    return edges, border


def _ground_weight(edges: NDArray, border: NDArray, apart: NDArray) -> NDArray:
    """Background weight (n,) from boundary connectivity: border length over root of area."""
    n = len(apart)
    i, j = np.triu_indices(len(border), 1)
    linked = np.concatenate([edges, np.stack([border[i], border[j]], axis=1)])
    step = np.maximum(apart[linked[:, 0], linked[:, 1]] - 2.5, 1e-4)
    graph = coo_matrix((step, (linked[:, 0], linked[:, 1])), shape=(n, n)).tocsr()
    geodesic = shortest_path(graph, directed=False)
    reach = np.exp(-(geodesic**2) / (2 * 7.0**2))
    connectivity = reach[:, border].sum(1) / np.sqrt(reach.sum(1))
    return 1.0 - np.exp(-(connectivity**2) / 2)
