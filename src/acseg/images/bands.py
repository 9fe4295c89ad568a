"""From bands of any kind (multispectral, 16 bit, float) to the three of 8 bits that are shown."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acseg.errors import DataError

SAMPLE = 2**21  # values of each band that percentiles are taken of
MOST_BANDS = 10_000


@dataclass(frozen=True)
class Reading:
    """How a file of many bands, or of more than 8 bits, becomes a picture.

    Parameters
    ----------
    bands : tuple of int, optional
        The bands that are red, green and blue, counted from 1 (4, 3, 2 is true colour of Landsat 8
        and Sentinel-2); one band alone is shown as grey. Default: the first three, or the first.
    stretch : (low, high), optional
        Percentiles of each band that become 0 and 255; what lies beyond is clipped. 2 and 98 are
        usual; 0 and 100 take the whole range. Default: 8-bit values stay, others are stretched
        from the least to the greatest value of the picture, all bands alike.
    """

    bands: tuple[int, ...] | None = None
    stretch: tuple[float, float] | None = None

    @property
    def plain(self) -> bool:
        """Whether files are read as photographs are."""
        return self.bands is None and self.stretch is None


PLAIN = Reading()


class UnfitError(ValueError):
    """A sound file that cannot be shown as was asked, with the reason in words for people."""


def parse_bands(text: str) -> tuple[int, ...]:
    """Read what ``--bands`` says, such as "4,3,2".

    Raises
    ------
    DataError
        If it is not one or three whole numbers from 1.
    """
    try:
        return check_bands(tuple(int(part) for part in text.split(",")))
    except ValueError:
        raise DataError(f"bands are one or three numbers such as 4,3,2, not {text!r}") from None


def check_bands(bands: Any) -> tuple[int, ...]:
    """Give bands as a tuple; ValueError if they are not one or three whole numbers from 1."""
    if not isinstance(bands, list | tuple) or len(bands) not in (1, 3):
        raise ValueError(f"bands must be one or three numbers such as 4,3,2, not {bands!r}")
    if any(type(b) is not int or not 1 <= b <= MOST_BANDS for b in bands):
        raise ValueError(f"bands are counted from 1, not {bands!r}")
    return tuple(bands)


def parse_stretch(text: str) -> tuple[float, float]:
    """Read what ``--stretch`` says, such as "2,98".

    Raises
    ------
    DataError
        If it is not two percentiles, the lower first.
    """
    try:
        return check_stretch(tuple(float(part) for part in text.split(",")))
    except ValueError:
        raise DataError(f"stretch is two percentiles such as 2,98, not {text!r}") from None


def check_stretch(stretch: Any) -> tuple[float, float]:
    """Give percentiles as a tuple; ValueError if they are not 0 <= low < high <= 100."""
    fits = isinstance(stretch, list | tuple) and len(stretch) == 2
    if not fits or any(type(s) not in (int, float) for s in stretch):
        raise ValueError(f"stretch must be two percentiles such as 2,98, not {stretch!r}")
    low, high = float(stretch[0]), float(stretch[1])
    if not 0 <= low < high <= 100:  # NaN too
        raise ValueError(f"stretch must be two percentiles, 0 to 100, not {stretch!r}")
    return low, high


def shown_bands(count: int, reading: Reading) -> tuple[int, ...]:
    """Say which of `count` bands are shown, counted from 1; UnfitError if one is not there."""
    bands = reading.bands or ((1, 2, 3) if count >= 3 else (1,))
    if max(bands) > count:
        has = "1 band" if count == 1 else f"{count} bands"
        raise UnfitError(f"has {has}, so there is no band {max(bands)}")
    return bands


@dataclass(frozen=True)
class Limits:
    """The values of each band that become 0 and 255, (C,) float64 each."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


class Measure:
    """Finds the limits of a picture that comes in pieces, in bounded memory.

    Parameters
    ----------
    pixels : int
        Of the whole picture; of more than `SAMPLE`, every so many-th row and column is looked at
        for percentiles. The least and greatest values are always exact.
    stretch : (low, high) or None
        As in `Reading`.
    nodata : float, optional
        A value that means nothing was measured.
    """

    def __init__(
        self, pixels: int, stretch: tuple[float, float] | None, nodata: float | None = None
    ) -> None:
        self._step = max(1, int(np.ceil(np.sqrt(pixels / SAMPLE))))
        self._stretch, self._nodata = stretch, nodata
        self._sample: list[NDArray[Any]] = []
        self._low, self._high = np.array([np.inf]), np.array([-np.inf])

    def add(self, values: NDArray[Any], *, top: int = 0) -> None:
        """Look at whole rows (h, W, C) of the picture, the first of which is row `top`."""
        values = np.atleast_3d(values)
        if self._stretch is not None and self._stretch != (0.0, 100.0):
            first = -top % self._step
            self._sample.append(np.array(values[first :: self._step, :: self._step]))
            return
        good = measured(values, self._nodata)
        floats = values.astype(np.float64)
        low = np.where(good, floats, np.inf).min((0, 1), initial=np.inf)
        high = np.where(good, floats, -np.inf).max((0, 1), initial=-np.inf)
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)

    def limits(self) -> Limits:
        """Say what was found; UnfitError if no value is finite and measured."""
        if self._sample:
            low, high = self._percentiles()
        else:
            low, high = self._low, self._high
            if self._stretch is None:
                low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
        if not np.isfinite(low).any():
            raise UnfitError("holds no finite value")
        there = np.isfinite(low)
        return Limits(np.where(there, low, 0.0), np.where(there, high, 1.0))

    def _percentiles(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        flat = [part.reshape(-1, part.shape[2]) for part in self._sample]
        values = np.concatenate(flat).astype(np.float64)  # (n, C)
        good = measured(values, self._nodata)
        pairs = [
            np.percentile(values[good[:, c], c], list(self._stretch or (0, 100)))
            if good[:, c].any()
            else np.array([np.inf, np.inf])
            for c in range(values.shape[1])
        ]
        low, high = np.array(pairs).T
        return low, high


def measured(values: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    """Say which values are finite and not the one that stands for nothing."""
    good = np.isfinite(values)
    if nodata is not None and not np.isnan(nodata):
        good &= values != nodata
    return good


def to_bytes(
    values: NDArray[Any], limits: Limits, nodata: float | None = None
) -> NDArray[np.uint8]:
    """Map the values (h, w, C) between limits to 0..255; what is not measured to 0."""
    width = limits.high - limits.low
    good = measured(values, nodata)
    floats = np.where(good, values, limits.low)  # float64
    scaled = (floats - limits.low) / np.where(width > 0, width, 1.0)
    return (scaled.clip(0, 1) * 255).round().astype(np.uint8)
