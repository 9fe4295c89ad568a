from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from acseg.images import stream
from acseg.images.batch import fitted_size, to_tensor
from acseg.images.stream import stamp, stream_pictures
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
    sources: list[Source],
    only: list[int] | None = None,
    batch: int = 2,
    workers: int = 2,
    known: Callable[[int], Any] = lambda index: None,
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
        known=known,
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
    assert batches == [[0, 3, 6], [2, 5, 8], [1]]
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


@settings(deadline=None, max_examples=25)
@given(done=st.sets(st.integers(0, 8)), batch=st.integers(1, 4), chunk=st.integers(1, 10))
def test_batches_are_the_same_whatever_was_done_before(
    sources: list[Source], done: set[int], batch: int, chunk: int
) -> None:
    done = done - {4, 7}
    size = {i: SIZES[i % 3] for i in done}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "CHUNK", chunk)
        whole = run(sources, batch=batch)[0]
        rest, failed = run(sources, batch=batch, known=size.get)
    wanted = [(indices, images) for indices, images in whole if set(indices) - done]
    assert [indices for indices, _ in rest] == [indices for indices, _ in wanted]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(rest, wanted, strict=True))
    assert [i for i, _, _ in failed] == [4, 7]


def test_pictures_say_whether_they_only_fill_a_batch_and_what_their_file_was(
    sources: list[Source],
) -> None:
    ignore: Callable[..., None] = lambda *about: None  # noqa: E731
    batches = stream_pictures(
        sources, side=16, multiple=8, batch=3, failed=ignore, known={3: (24, 32)}.get
    )
    pictures = {p.index: p for some, _ in batches for p in some}
    assert [i for i in sorted(pictures) if pictures[i].again] == [3]
    assert all(p.stamp == stamp(p.source) != "" for p in pictures.values())
    assert stamp(sources[7]) == ""


def test_a_picture_that_changed_under_our_hands_is_left_out_and_named(
    sources: list[Source],
) -> None:
    found, failed = run(sources, batch=3, known={3: (99, 32)}.get)
    assert sorted(i for indices, _ in found for i in indices) == [0, 1, 2, 5, 6, 8]
    found, failed = run(sources, batch=9, known={3: (23, 32)}.get)
    assert failed[-1] == (3, "sub/3.png", "changed while it was read; give the command again")
    found, failed = run(sources, batch=9, known={7: (24, 32), 1: (32, 24)}.get)
    assert (7, "sub/7.png", "no such file") in failed


def test_no_batch_reaches_over_the_bounds_of_a_chunk(
    sources: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "CHUNK", 6)
    assert [i for i, _ in run(sources, batch=9)[0]] == [[0, 3], [1], [2, 5], [6], [8]]


@given(
    sizes=st.lists(st.tuples(st.integers(8, 90), st.integers(8, 90)), max_size=40),
    batch=st.integers(1, 5),
    waiting=st.integers(1, 60_000),
)
def test_groups_have_one_shape_and_few_bytes_wait(
    sizes: list[tuple[int, int]], batch: int, waiting: int
) -> None:
    taken: list[int] = []

    def items() -> Iterator[stream._Item]:
        for i, size in enumerate(sizes):
            taken.append(i)
            yield stream._Item(i, size)

    gone: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "WAITING", waiting)
        for group in stream.like_shaped(items(), side=16, multiple=8, batch=batch):
            assert 1 <= len(group) <= batch
            assert len({fitted_size(*item.size, side=16, multiple=8) for item in group}) == 1
            gone += [item.index for item in group]
            held = [3 * sizes[i][0] * sizes[i][1] for i in set(taken) - set(gone)]
            assert len(taken) == len(sizes) or sum(held) <= waiting
    assert sorted(gone) == list(range(len(sizes)))


def test_few_large_pictures_are_read_ahead(
    sources: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Source] = []

    def note(source: Source, reading: object) -> np.ndarray:
        read.append(source)
        return np.zeros((64, 64, 3), np.uint8)

    monkeypatch.setattr("acseg.images.stream.read_source", note)
    monkeypatch.setattr(stream, "WAITING", 3 * 64 * 64 * 3)
    batches = stream_pictures(
        sources * 20, side=16, multiple=8, batch=16, failed=lambda *about: None, workers=1
    )
    first, _ = next(batches)
    batches.close()
    assert len(first) == 4  # one more than may wait
    assert len(read) <= 4 + 3


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
    batches = stream_pictures(many, side=16, multiple=8, batch=2, failed=ignore, workers=2)
    next(batches)
    batches.close()
    assert len(read) <= 2 + 2 + 2 * 2


def test_chunks_of_which_all_is_done_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHUNK", 2)
    sizes: dict[int, tuple[int, int]] = {3: (4, 5), 5: (6, 7), 9: (8, 9)}
    found = list(stream.unfinished_chunks([3, 5, 8, 9, 10], sizes.get))
    assert found == [([8, 9], [None, (8, 9)]), ([10], [None])]
