"""Segmenting in one call, with the default model."""

from functools import lru_cache
from typing import Any, overload

from acseg.model.acseg import ACSeg, Picture
from acseg.model.segmentation import Segmentation


@overload
def segment(
    picture: list[Picture], *, granularity: float | None = None, backbone: str = "auto"
) -> list[Segmentation]: ...
@overload
def segment(
    picture: Picture, *, granularity: float | None = None, backbone: str = "auto"
) -> Segmentation: ...
def segment(picture: Any, *, granularity: float | None = None, backbone: str = "auto") -> Any:
    """Find the concepts of a picture, or of each of a list.

    Parameters
    ----------
    picture : path, URL, bytes, PIL image, (H, W[, 3]) array, or a list of these
    granularity : float, optional
        How finely pictures are divided, 0..1. Default: that of the backbone.
    backbone : str
        As for `ACSeg`; kept loaded for the next call.

    Returns
    -------
    Segmentation, or a list of them

    Raises
    ------
    ImageError
        Naming the first picture that cannot be read.

    Examples
    --------
    >>> import acseg
    >>> result = acseg.segment("photo.jpg")  # doctest: +SKIP
    >>> result.overlay().save("photo.seg.png")  # doctest: +SKIP
    """
    return _model(backbone).segment(picture, granularity=granularity)


@lru_cache(maxsize=2)
def _model(backbone: str) -> ACSeg:
    return ACSeg(backbone)
