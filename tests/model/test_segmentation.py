import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from acseg.errors import DataError
from acseg.model.segmentation import Segmentation
from acseg.output.label_png import read_labels
from acseg.output.palette import palette
from acseg.output.records import Segment
from acseg.output.segments import find_segments


@pytest.fixture
def found() -> Segmentation:
    labels = np.zeros((10, 20), np.int64)
    labels[2:5, 4:8] = 3
    labels[9] = 255
    image = np.random.default_rng(0).integers(0, 256, (10, 20, 3), dtype=np.uint8)
    return Segmentation(labels, image, confidence={0: 0.9, 3: 0.5}, names={3: "cat"})


def test_segments(found: Segmentation) -> None:
    assert found.segments == (
        Segment(0, 168 / 200, (0, 0, 20, 9), 0.9, None),
        Segment(3, 12 / 200, (4, 2, 4, 3), 0.5, "cat"),
    )
    assert repr(found) == "Segmentation(20 x 10 pixels, 2 concepts)"


@settings(deadline=None)
@given(
    arrays(
        np.int32,
        st.tuples(st.integers(1, 8), st.integers(1, 8)),
        elements=st.sampled_from([0, 1, 2, 200, 254, 255]),
    )
)
def test_segments_against_a_plain_search(labels: np.ndarray) -> None:
    wanted = []
    for label in sorted(set(labels.ravel().tolist()) - {255}):
        rows, columns = np.nonzero(labels == label)
        left, top = columns.min(), rows.min()
        box = (left, top, columns.max() - left + 1, rows.max() - top + 1)
        wanted.append((label, len(rows) / labels.size, box))
    assert [(s.id, s.area, s.box) for s in find_segments(labels)] == wanted


def test_overlay_and_notebook(found: Segmentation) -> None:
    drawn = found.overlay(strength=1, outline=False)
    assert drawn.size == (20, 10)
    assert drawn.getpixel((5, 3)) == tuple(palette(4)[3].tolist())
    with Image.open(io.BytesIO(found._repr_png_())) as shown:
        assert shown.size == (20, 10)


def test_own_colours(found: Segmentation) -> None:
    own = Segmentation(found.labels, found.image, kind="classes", colours={3: (1, 2, 3)})
    assert own.overlay(strength=1).getpixel((5, 3)) == (1, 2, 3)
    assert own.palette[0].tolist() == palette(1)[0].tolist()


def test_save(found: Segmentation, tmp_path: Path) -> None:
    path = found.save(tmp_path / "sub/a.png")
    np.testing.assert_array_equal(read_labels(path), found.labels)
    with pytest.raises(DataError, match=r"a\.jpg: label maps are saved as \.png"):
        found.save(tmp_path / "a.jpg")


def test_record(found: Segmentation) -> None:
    record = found.record("a.jpg", labels="labels/a.png", source="../a.jpg")
    assert (record.status, record.size, record.kind) == ("ok", (20, 10), "concepts")
    assert (record.labels, record.source) == ("labels/a.png", "../a.jpg")
    assert record.segments == found.segments


def test_labels_are_copied_and_cannot_be_written(found: Segmentation) -> None:
    assert found.labels.dtype == np.uint8
    with pytest.raises(ValueError, match="read-only"):
        found.labels[0] = 1


@pytest.mark.parametrize(
    ("labels", "image", "kind", "reason"),
    [
        (np.zeros((4, 4)), np.zeros((4, 4, 3), np.uint8), "concepts", "integer"),
        (np.zeros((4, 5), int), np.zeros((4, 4, 3), np.uint8), "concepts", r"\(4, 5, 3\)"),
        (np.zeros((4, 4), int), np.zeros((4, 4, 3)), "concepts", "uint8"),
        (np.full((4, 4), 256), np.zeros((4, 4, 3), np.uint8), "concepts", "256..256"),
        (np.zeros((4, 4), int), np.zeros((4, 4, 3), np.uint8), "things", "'things'"),
    ],
)
def test_errors(labels: np.ndarray, image: np.ndarray, kind: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        Segmentation(labels, image, kind=kind)  # type: ignore[arg-type]


def test_torch_is_not_needed_for_what_others_read() -> None:
    code = "import acseg.output.output, acseg.report.html, acseg.export.export, sys;"
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_classes_cannot_be_divided_otherwise(found: Segmentation) -> None:
    with pytest.raises(ValueError, match="only concepts that `segment` found"):
        found.at(0.7)
