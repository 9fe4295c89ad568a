from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from acseg.images.batch import to_tensor
from acseg.images.stream import stream_pictures
from acseg.images.walk import Source

SIZES = ((24, 32), (32, 24), (16, 16))  # height, width


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    """Nine pictures of three shapes; 4 is no picture, 7 is not there."""
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for i in range(9):
        path = folder / f"{i}.png"
        if i == 4:
            path.write_bytes(b"no picture")
        elif i != 7:
            Image.new("RGB", SIZES[i % 3][::-1], (20 * i, 100, 50)).save(path)
        found.append(Source(path, f"sub/{i}.png"))
    return found


Failed = list[tuple[int, str, str]]


def run(
    sources: list[Source], only: list[int] | None = None, batch: int = 2, workers: int = 2
) -> tuple[list[tuple[list[int], torch.Tensor]], Failed]:
    failed: Failed = []
    found = []
    for pictures, images in stream_pictures(
        sources,
        side=16,
        multiple=8,
        batch=batch,
        failed=lambda i, source, reason: failed.append((i, source.relative, reason)),
        only=only,
        workers=workers,
    ):
        assert len(pictures) == len(images) <= batch
        for picture, image in zip(pictures, images, strict=True):
            assert picture.source is sources[picture.index]
            assert (picture.image[..., 0] == 20 * picture.index).all()
            assert torch.equal(image, to_tensor(picture.image, side=16, multiple=8))
        found.append(([p.index for p in pictures], images))
    return found, failed


def test_every_picture_comes_once_with_its_own_tensor(sources: list[Source]) -> None:
    found, failed = run(sources)
    assert sorted(i for indices, _ in found for i in indices) == [0, 1, 2, 3, 5, 6, 8]
    assert [i for i, _, _ in failed] == [4, 7]


def test_failures_are_named_by_their_relative_path_and_the_reason_alone(
    sources: list[Source],
) -> None:
    _, failed = run(sources)
    assert failed[0][1:] == (
        "sub/4.png",
        "not a picture, or of a kind that is not read, whatever its name says",
    )
    assert failed[1][1:] == ("sub/7.png", "no such file")


def test_a_batch_has_one_shape_and_its_pictures_in_order(sources: list[Source]) -> None:
    found, _ = run(sources, batch=3)
    batches = [indices for indices, _ in found]
    assert sorted(batches) == [[0, 3, 6], [1], [2, 5, 8]]
    assert all(indices == sorted(indices) for indices in batches)


@settings(deadline=None, max_examples=25)
@given(
    only=st.lists(st.integers(0, 8), unique=True),
    batch=st.integers(1, 5),
    workers=st.integers(1, 4),
)
def test_only_the_pictures_asked_for_are_read(
    sources: list[Source], only: list[int], batch: int, workers: int
) -> None:
    found, failed = run(sources, only, batch, workers)
    assert sorted(i for indices, _ in found for i in indices) == sorted(set(only) - {4, 7})
    assert [i for i, _, _ in failed] == [i for i in only if i in (4, 7)]


def test_batches_do_not_depend_on_the_number_of_threads(sources: list[Source]) -> None:
    one, many = run(sources, workers=1)[0], run(sources, workers=4)[0]
    assert [indices for indices, _ in one] == [indices for indices, _ in many]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one, many, strict=True))


def test_where_all_fail_nothing_comes(tmp_path: Path) -> None:
    found, failed = run([Source(tmp_path / "a.png", "a.png"), Source(tmp_path, "b")])
    assert found == []
    assert [i for i, _, _ in failed] == [0, 1]


def test_it_reads_only_a_little_ahead(
    sources: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []

    def note(source: Source, reading: object) -> np.ndarray:
        read.append(source)
        return np.zeros((16, 16, 3), np.uint8)

    monkeypatch.setattr("acseg.images.stream.read_source", note)
    many: list[Source] = sources * 20
    ignore: Callable[..., None] = lambda *about: None  # noqa: E731
    stream = stream_pictures(many, side=16, multiple=8, batch=2, failed=ignore, workers=2)
    next(stream)
    stream.close()
    assert len(read) <= 2 + 2 + 2 * 2
