from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from acseg.errors import DataError, ImageError
from acseg.output.atomic import remove_partials, write_atomic
from acseg.output.label_png import encode_labels, read_labels, write_labels
from acseg.output.names import label_name, overlay_of
from acseg.output.palette import palette


def test_files_are_written_whole_and_folders_made(tmp_path: Path) -> None:
    path = tmp_path / "deep/er/a.txt"
    assert write_atomic(path, "Straße") == path
    assert path.read_bytes() == "Straße".encode()
    write_atomic(path, b"\0\1")
    assert path.read_bytes() == b"\0\1"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    write_atomic(path, "old")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("acseg.output.atomic.os.replace", fail)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("a.part", ".hidden", ".0123.part", "b.png")]
    left = [tmp_path / ".0123456789abcdef.part", tmp_path / "deep" / ".fedcba9876543210.part"]
    for path in kept + left:
        write_atomic(path, "x")
    remove_partials(tmp_path)
    assert [path.exists() for path in left] == [False, True]
    remove_partials(tmp_path, deep=True)
    assert [path.exists() for path in left] == [False, False]
    assert all(path.exists() for path in kept)
    remove_partials(tmp_path / "gone")


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    write_atomic(tmp_path / ("x" * 251 + ".png"), b"1")
    assert len(list(tmp_path.iterdir())) == 1


def test_label_names() -> None:
    assert label_name(["a.jpg", "sub/b.tar.tif", "c", "sub/a.jpg"]) == {
        "a.jpg": "a.png",
        "sub/b.tar.tif": "sub/b.tar.png",
        "c": "c.png",
        "sub/a.jpg": "sub/a.png",
    }


def test_label_names_that_would_meet_keep_the_full_name() -> None:
    assert label_name(["a.jpg", "a.tif", "b.jpg"]) == {
        "a.jpg": "a.jpg.png",
        "a.tif": "a.tif.png",
        "b.jpg": "b.png",
    }
    assert label_name(["a.jpg", "a.tif", "a.jpg.tif"]) == {
        "a.jpg": "a.jpg.png",
        "a.tif": "a.tif.png",
        "a.jpg.tif": "a.jpg.tif.png",
    }


@settings(deadline=None)
@given(
    st.sets(st.sampled_from(["a", "a.jpg", "a.png", "a.jpg.png", "a.png.png", "d/a.jpg", "b.b"]))
)
def test_no_two_label_maps_ever_meet(relatives: set[str]) -> None:
    names = label_name(sorted(relatives))
    assert set(names) == relatives
    assert len(set(names.values())) == len(names)
    assert all(name.endswith(".png") for name in names.values())


def test_the_overlay_of_a_label_map() -> None:
    assert overlay_of("labels/sub/a.jpg.png") == "overlays/sub/a.jpg.jpg"


@settings(deadline=None)
@given(
    labels=arrays(
        np.int64, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 255)
    )
)
def test_labels_come_back(tmp_path_factory: pytest.TempPathFactory, labels: np.ndarray) -> None:
    path = write_labels(tmp_path_factory.getbasetemp() / "labels.png", labels)
    found = read_labels(path)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, labels)


def test_label_maps_carry_their_colours_and_void_is_black(tmp_path: Path) -> None:
    labels = np.array([[0, 1, 2], [3, 254, 255]], np.uint8)
    path = write_labels(tmp_path / "a.png", labels, np.array([[9, 8, 7], [6, 5, 4]], np.uint8))
    with Image.open(path) as picture:
        assert picture.mode == "P"
        colours = np.asarray(picture.convert("RGB"))
    assert colours[0].tolist() == [[9, 8, 7], [6, 5, 4], palette(3)[2].tolist()]
    assert colours[1].tolist() == [palette(4)[3].tolist(), palette(255)[254].tolist(), [0, 0, 0]]


def test_the_same_labels_give_the_same_bytes() -> None:
    labels = np.random.default_rng(0).integers(0, 9, (40, 30))
    turned = np.asfortranarray(labels.astype(np.uint8))
    assert encode_labels(labels) == encode_labels(turned)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.array([[0, 256]]), "0..256"),
        (np.array([[-1, 0]]), "-1..0"),
        (np.zeros((2, 2, 2), int), "shape"),
        (np.zeros((2, 2)), "float64"),
    ],
)
def test_what_is_no_label_map(labels: np.ndarray, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        encode_labels(labels)


def test_reading_other_people_s_masks(tmp_path: Path) -> None:
    values = np.array([[0, 7], [300, 9]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    found = read_labels(tmp_path / "deep.png")
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, values)
    Image.fromarray(values.astype(np.uint8)).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "grey.png"), values.astype(np.uint8))
    Image.fromarray(values > 8).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "bits.png"), values > 8)


def test_errors_of_reading_name_the_file(tmp_path: Path) -> None:
    Image.new("RGB", (3, 3)).save(tmp_path / "colour.png")
    with pytest.raises(ImageError, match=r"colour\.png: a label map must be .* not RGB"):
        read_labels(tmp_path / "colour.png")
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        read_labels(tmp_path / "gone.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ImageError, match=r"text\.png: not a label map"):
        read_labels(tmp_path / "text.png")
