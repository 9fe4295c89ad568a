"""The run lengths of Label Studio's brush.

They are those of the JavaScript package rle-pack over the RGBA values of the mask. The bits, most
significant first: how many values there are (32 bits), the bits of a value less 1 (5), four sizes
of counters, each less 1 (4 each); then blocks. A block is a bit that says whether one value is
repeated, the number of the counter that is used (2), how many values there are less 1 (as many
bits as that counter has), and the value, or all of them.
"""

import numpy as np

_VALUE = 8  # bits of a value
_COUNTERS = np.array([3, 4, 8, 16])  # bits of the counters
_CHANNELS = 4  # red, green, blue and alpha are the same


def encode_brush(mask: np.ndarray) -> list[int]:
    """Encode a mask (H, W) bool as Label Studio's ``rle``: bytes, 0..255."""
    flat = np.concatenate([[False], np.asarray(mask, dtype=bool).ravel()])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return pack_brush(np.diff(np.concatenate([[0], edges, [flat.size - 1]])))


def pack_brush(runs: np.ndarray) -> list[int]:
    """Encode the lengths of runs along the rows, outside and inside in turn, as ``rle``.

    Parameters
    ----------
    runs : (n,) integer
        Runs of 0 are passed over; the sum is the number of pixels, below 2^30.

    Returns
    -------
    list of int
        Bytes, 0..255.
    """
    lengths = np.asarray(runs)[np.asarray(runs) > 0] * _CHANNELS
    values = np.where(np.arange(len(runs)) % 2, 255, 0)[np.asarray(runs) > 0]
    longest = 1 << int(_COUNTERS[-1])
    blocks = -(-lengths // longest)  # a run longer than the largest counter is several blocks
    values = np.repeat(values, blocks)
    counts = np.full(len(values), longest)
    counts[np.cumsum(blocks) - 1] = lengths - (blocks - 1) * longest
    counter = np.searchsorted(1 << _COUNTERS, counts)
    size = _COUNTERS[counter]
    codes = (4 | counter) << size
    codes = (codes | (counts - 1)) << _VALUE | values
    head = [(int(lengths.sum()), 32), (_VALUE - 1, 5), *((int(c) - 1, 4) for c in _COUNTERS)]
    numbers = np.concatenate([[number for number, _ in head], codes])
    widths = np.concatenate([[width for _, width in head], 3 + size + _VALUE])
    return np.packbits(_bits(numbers, widths)).tolist()


def _bits(numbers: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Write each number with so many bits, one after the other."""
    grid = np.unpackbits(numbers.astype(">u4").view(np.uint8).reshape(-1, 4), axis=1)  # (n, 32)
    return grid[np.arange(32) >= 32 - widths[:, None]]
