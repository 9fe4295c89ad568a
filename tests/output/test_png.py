import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from acseg.output import label_png as write_module
from acseg.output.label_png import read_labels, read_labels_small, write_labels
from acseg.output.palette import VOID, palette
from acseg.output.png import PngRows, PngWriter
from acseg.output.sampling import sample_labels

COLOURS = np.concatenate([palette(VOID), np.zeros((1, 3), np.uint8)])


def labels_of(seed: int, height: int, width: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (-(-height // 5), -(-width // 9)), dtype=np.uint8)
    return np.kron(blocks, np.ones((5, 9), np.uint8))[:height, :width]


def png(width: int, height: int, rows: bytes) -> bytes:
    """Put a grey PNG together by hand."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = chunk(b"tEXt", b"a\0b") + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + body


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 99), st.integers(1, 40), st.integers(1, 60), st.integers(1, 40))
def test_what_is_written_in_bands_is_what_pillow_reads(
    tmp_path: Path, seed: int, height: int, width: int, rows: int
) -> None:
    labels = labels_of(seed, height, width)
    with PngWriter(tmp_path / "a.png", height, width, COLOURS) as png:
        for top in range(0, height, rows):
            png.write(labels[top : top + rows])
    with Image.open(tmp_path / "a.png") as picture:
        picture.verify()
    with Image.open(tmp_path / "a.png") as picture:
        assert (picture.mode, picture.size) == ("P", (width, height))
        np.testing.assert_array_equal(np.asarray(picture), labels)
        table = np.array(picture.getpalette()).reshape(-1, 3)
        np.testing.assert_array_equal(table, COLOURS[: len(table)])
    np.testing.assert_array_equal(PngRows(tmp_path / "a.png").read(), labels)


@pytest.mark.parametrize("filters", [[0], [1], [2], [0, 1, 2]])
def test_pngs_of_others_are_read_in_bands(tmp_path: Path, filters: list[int]) -> None:
    labels = labels_of(1, 37, 41)
    raw = b""
    for i, row in enumerate(labels):
        kind = filters[i % len(filters)]
        above = labels[i - 1] if i else np.zeros_like(row)
        before = np.concatenate([[0], row[:-1]]).astype(np.uint8)
        coded = row - {0: np.zeros_like(row), 1: before, 2: above}[kind]
        raw += bytes([kind]) + coded.tobytes()
    path = tmp_path / "a.png"
    path.write_bytes(png(41, 37, raw))
    np.testing.assert_array_equal(np.asarray(Image.open(path)), labels)
    bands = list(PngRows(path).bands(rows=8))
    assert [top for top, _ in bands] == [0, 8, 16, 24, 32]
    np.testing.assert_array_equal(np.concatenate([band for _, band in bands]), labels)


def test_too_few_rows_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("older")
    with (
        pytest.raises(ValueError, match="3 of 4 rows"),
        PngWriter(tmp_path / "a.png", 4, 5, COLOURS) as png,
    ):
        png.write(np.zeros((3, 5), np.uint8))
    assert (tmp_path / "a.png").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), PngWriter(tmp_path / "a.png", 4, 5, COLOURS):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "colour.png")
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "photo.jpg")
    (tmp_path / "empty.png").write_bytes(b"")
    for path in tmp_path.iterdir():
        with pytest.raises(ValueError, match="PNG"):
            PngRows(path)
    with pytest.raises(ValueError, match="no regular file"):
        PngRows(tmp_path)


def test_a_cut_file_says_so(tmp_path: Path) -> None:
    path = write_labels(tmp_path / "a.png", labels_of(2, 90, 90))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    with pytest.raises(ValueError, match="ends before the picture"):
        PngRows(path).read()


def test_more_data_than_rows_is_left_alone(tmp_path: Path) -> None:
    """A file may hold a gigabyte of zeros behind its last row; it is not inflated."""
    (tmp_path / "a.png").write_bytes(png(9, 9, bytes(10**7)))
    np.testing.assert_array_equal(PngRows(tmp_path / "a.png").read(), np.zeros((9, 9), np.uint8))


def test_large_label_maps_are_read_by_rows_whole_and_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = labels_of(3, 120, 90)
    path = write_labels(tmp_path / "a.png", labels)
    before = read_labels(path), read_labels_small(path, (31, 40))
    monkeypatch.setattr(write_module, "LARGE_LABELS", 100)
    monkeypatch.setattr(Image, "open", None)
    np.testing.assert_array_equal(read_labels(path), before[0])
    np.testing.assert_array_equal(read_labels_small(path, (31, 40)), before[1])
    np.testing.assert_array_equal(before[1], sample_labels(labels, (31, 40)))


def test_large_maps_with_other_filters_are_left_to_pillow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = labels_of(3, 120, 90)
    Image.fromarray(labels).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="filtered"):
        PngRows(tmp_path / "a.png").read()
    monkeypatch.setattr(write_module, "LARGE_LABELS", 100)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), labels)
    small = read_labels_small(tmp_path / "a.png", (31, 40))
    np.testing.assert_array_equal(small, sample_labels(labels, (31, 40)))
