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
        If the folder holds no pairs.
    """
    model = load_backbone(backbone, device=device)
    model = load_backbone(backbone, stride=max(1, model.patch // 2), device=device)
    sources, _ = find_images([folder / "images"])
    if not sources:
        raise DataError(f"{folder / 'images'} holds no picture to probe with")
    step = max(1, len(sources) // PICTURES)
    scores: dict[int, list[float]] = {k: [] for k in CLUSTERS}
    for source in sources[::step][:PICTURES]:
        mask_path = (folder / "masks" / source.relative).with_suffix(".png")
        image = to_tensor(read_image(source.path), side=side, multiple=model.patch)
        features = model(image[None])
        height, width = features.grid
        mask = Image.fromarray(read_labels(mask_path).astype(np.uint8))
        mask = mask.resize((width, height), Image.Resampling.NEAREST)
        pixels = features.pixels[0].cpu().numpy()
        for k in CLUSTERS:
            labels = cluster(pixels, "kmeans", k=k).reshape(height, width)
            scores[k].append(matched_iou(confusion(labels, np.asarray(mask))))
    return float(max(np.mean(values) for values in scores.values()))
