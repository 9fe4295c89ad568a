"""A quick look at how a backbone groups pixels: k-means in each picture of a labelled folder."""

from pathlib import Path

import numpy as np
from PIL import Image

from acseg.backbone.load import load_backbone
from acseg.errors import DataError
from acseg.evaluation.baselines import cluster
from acseg.evaluation.confusion import confusion
from acseg.evaluation.scores import matched_iou
from acseg.images.batch import to_tensor
from acseg.images.read import read_image
from acseg.images.walk import find_images
from acseg.images.write import read_labels

PICTURES = 24  # spread evenly over the folder
CLUSTERS = (2, 5)  # the better of the two counts, as a collection may show objects or scenes


def probe_folder(backbone: str, folder: Path, *, side: int = 160, device: str = "auto") -> float:
    """Score k-means on a backbone's pixels per image (protocol P3, mIoU on the feature grid).

    Parameters
    ----------
    backbone : str
        As for `load_backbone`; patch 8 is used with stride 4.
    folder : Path
        With images/ and masks/ (index PNGs with the same stems, 255 void).
    side : int
        Short side of the pictures in px.

    Returns
    -------
    float
        The better mean over the pictures of k = 2 and k = 5, 0 to 1.

    Raises
    ------
    DataError
        If the folder holds no pairs, or no labelled pixel.
    """
    model = load_backbone(backbone, device=device)
    model = load_backbone(backbone, stride=max(1, model.patch // 2), device=device)
    scores: dict[int, list[float]] = {k: [] for k in CLUSTERS}
    for picture, mask_path in probe_pairs(folder):
        image = to_tensor(read_image(picture), side=side, multiple=model.patch)
        features = model(image[None])
        height, width = features.grid
        mask = Image.fromarray(read_labels(mask_path).astype(np.uint8))
        mask = mask.resize((width, height), Image.Resampling.NEAREST)
        pixels = features.tokens[0].cpu().numpy()
        for k in CLUSTERS:
            labels = cluster(pixels, "kmeans", k=k).reshape(height, width)
            scores[k].append(matched_iou(confusion(labels, np.asarray(mask))))
    if np.isnan(scores[CLUSTERS[0]]).all():  # NaN: a picture without a labelled pixel
        raise DataError(f"{folder / 'masks'} holds no labelled pixel to probe with")
    return float(max(np.nanmean(values) for values in scores.values()))


def probe_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Choose the pictures of a probe, each with its mask.

    Raises
    ------
    DataError
        If there is no picture, or one has no mask.
    """
    sources, _ = find_images([folder / "images"])
    if not sources:
        raise DataError(f"{folder / 'images'} holds no picture to probe with")
    step = max(1, len(sources) // PICTURES)
    pairs = []
    for source in sources[::step][:PICTURES]:
        mask = (folder / "masks" / source.relative).with_suffix(".png")
        if not mask.is_file():
            raise DataError(f"{source.path} has no mask to probe with; expected {mask}")
        pairs.append((source.path, mask))
    return pairs
