import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from acseg.export.brush import encode_brush, pack_brush


def decode(data: list[int]) -> list[int]:
    """Read rle-pack's stream from its description, bit by bit."""
    bits = iter("".join(format(byte, "08b") for byte in data))

    def read(width: int) -> int:
        return int("".join(next(bits) for _ in range(width)), 2)

    total, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        same = read(1)
        count = read(sizes[read(2)]) + 1
        values += [read(word)] * count if same else [read(word) for _ in range(count)]
    assert len(values) == total
    rest = list(bits)
    assert len(rest) < 8
    assert set(rest) <= {"0"}
    return values


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)))
def test_the_decoder_gives_the_mask_back_in_four_channels(mask: np.ndarray) -> None:
    values = decode(encode_brush(mask))
    assert values == np.repeat(np.where(mask, 255, 0).ravel(), 4).tolist()


LENGTHS = st.sampled_from([0, 1, 2, 3, 4, 5, 63, 64, 65, 16383, 16384, 16385, 40000])


@settings(max_examples=30, deadline=None)
@given(st.lists(LENGTHS, min_size=1, max_size=5).filter(sum))
def test_runs_at_the_limits_of_the_counters(runs: list[int]) -> None:
    wanted = np.repeat(np.where(np.arange(len(runs)) % 2, 255, 0), np.multiply(runs, 4))
    assert decode(pack_brush(np.array(runs))) == wanted.tolist()


def test_the_bytes_of_a_small_mask_worked_out_by_hand() -> None:
    """Two pixels, the second set: eight values, words of 8 bits, counters of 3, 4, 8, 16."""
    head = f"{8:032b}" + f"{7:05b}" + f"{2:04b}{3:04b}{7:04b}{15:04b}"
    blocks = "1" + "00" + f"{3:03b}" + f"{0:08b}" + "1" + "00" + f"{3:03b}" + f"{255:08b}"
    bits = head + blocks
    bits += "0" * (-len(bits) % 8)
    by_hand = [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]
    assert encode_brush(np.array([[False, True]])) == by_hand


def test_label_studio_itself_reads_it() -> None:
    brush = pytest.importorskip("label_studio_converter.brush")
    mask = np.random.default_rng(1).random((37, 53)) > 0.7
    read = brush.decode_rle(encode_brush(mask)).reshape(37, 53, 4)
    assert np.array_equal(read[..., 3] > 0, mask)
    theirs = brush.mask2rle(np.where(mask, 255, 0).astype(np.uint8))
    assert theirs[: len(encode_brush(mask))] == encode_brush(mask)  # they may pad
