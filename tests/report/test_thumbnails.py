import base64
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from acseg.report.thumbnails import encode_runs, jpeg, photograph_thumbnail


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((640, 480), (133, 100)),
        ((480, 640), (100, 133)),
        ((1000, 100), (300, 30)),
        ((9, 9), (9, 9)),
    ],
)
def test_thumbnails_keep_the_shape_within_bounds(
    tmp_path: Path, size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    Image.new("RGB", size, (9, 8, 7)).save(tmp_path / "a.png")
    small = photograph_thumbnail(tmp_path / "a.png", 100)
    assert small.size == wanted
    assert small.getpixel((0, 0)) == (9, 8, 7)


def test_jpeg() -> None:
    data = base64.b64decode(jpeg(Image.new("RGB", (30, 20), (200, 10, 10))))
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (30, 20))


@settings(deadline=None)
@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        elements=st.sampled_from([0, 1, 255]),
        fill=st.just(0),
    )
)
def test_runs_decode_to_the_labels(labels: np.ndarray) -> None:
    data = base64.b64decode(encode_runs(labels))
    decoded = [label for i in range(0, len(data), 2) for label in [data[i]] * (data[i + 1] + 1)]
    assert decoded == labels.ravel().tolist()
    assert len(data) <= 2 * labels.size
