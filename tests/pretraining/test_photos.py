import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from acseg.pretraining import photos as module
from acseg.pretraining.photos import Photos, load_photos, prepare


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The photographs that were read and over-segmented, in order."""
    seen: list[str] = []

    def watched(path: str) -> object:
        seen.append(path)
        return prepare(path)

    monkeypatch.setattr(module, "prepare", watched)
    return seen


def load(paths: list[Path], cache: Path, **more: Callable) -> tuple[Photos, list[tuple[str, str]]]:
    return load_photos(paths, cache, workers=1, **more)


def same(one: Photos, other: Photos) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("pixels", "maps", "aspect")
    )


@pytest.mark.parametrize("size", [(60, 40), (16, 16), (8, 8), (300, 20), (20, 300), (200, 150)])
def test_a_photograph_becomes_a_square_its_maps_and_its_aspect(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    found = prepare(str(tmp_path / "a.png"))
    assert not isinstance(found, str)
    pixels, maps, aspect = found
    assert pixels.shape == (3, 128, 128)
    assert maps.shape == (4, 64, 64)
    assert pixels.dtype == maps.dtype == np.uint8
    assert maps[:3].max() < 32
    assert aspect == size[0] / size[1]


def test_channels_stay_in_order_and_a_plain_photograph_has_one_region(tmp_path: Path) -> None:
    Image.new("RGB", (50, 40), (200, 100, 50)).save(tmp_path / "a.png")
    found = prepare(str(tmp_path / "a.png"))
    assert not isinstance(found, str)
    assert [int(v) for v in found[0].reshape(3, -1).mean(1)] == [200, 100, 50]
    assert not found[1].any()


def test_maps_lie_over_the_picture(tmp_path: Path) -> None:
    picture = np.full((60, 90, 3), 40, np.uint8)
    picture[:20, :30] = 230  # the upper left ninth
    Image.fromarray(picture).save(tmp_path / "a.png")
    found = prepare(str(tmp_path / "a.png"))
    assert not isinstance(found, str)
    inside = np.zeros((64, 64), bool)
    inside[:20, :20] = True
    near = np.zeros((64, 64), bool)
    near[:24, :24] = True
    assert (found[1][2][inside] == 1).mean() > 0.9
    assert (found[1][2][~near] == 0).all()


def test_photographs_that_fail_are_left_out_and_named_once(pictures: Path, tmp_path: Path) -> None:
    (pictures / "broken.png").write_bytes(b"not a picture")
    paths = sorted(pictures.iterdir()) + [pictures / "missing.png"]
    told: list[tuple[int, int]] = []
    photos, failures = load(
        paths, tmp_path / "c.safetensors", progress=lambda done, of: told.append((done, of))
    )
    assert len(photos.pixels) == len(photos.maps) == len(photos.aspect) == 4
    np.testing.assert_allclose(photos.aspect, [60 / 40, 40 / 60, 1, 1])
    assert told == [(i, 6) for i in range(1, 7)]
    assert [path for path, _ in failures] == [str(paths[4]), str(paths[5])]
    assert all(str(pictures) not in reason for _, reason in failures)
    assert "no such file" in failures[1][1]


@pytest.mark.skipif(os.name != "posix", reason="needs file names that are not text")
def test_a_name_that_is_not_text_is_named_as_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.jpg"))
    _, failures = load([path], tmp_path / "c.safetensors")
    assert failures == [(f"{tmp_path}/bad%FF.jpg", "no such file")]


def test_the_cache_is_used_again_with_its_failures(
    pictures: Path, tmp_path: Path, read: list[str]
) -> None:
    paths = [*sorted(pictures.iterdir()), pictures / "missing.png"]
    cache = tmp_path / "deep" / "er" / "c.safetensors"
    first, failures = load(paths, cache)
    assert len(read) == 5
    again, failures_again = load(paths, cache)
    assert len(read) == 5  # nothing was read again
    assert same(first, again)
    assert failures_again == failures
    assert [p.name for p in cache.parent.iterdir()] == [cache.name]


def test_the_cache_is_made_anew_for_other_or_changed_photographs(
    pictures: Path, tmp_path: Path, read: list[str]
) -> None:
    paths = sorted(pictures.iterdir())
    cache = tmp_path / "c.safetensors"
    load(paths, cache)
    fewer, _ = load(paths[:2], cache)
    assert len(read) == 4 + 2
    assert len(fewer.aspect) == 2
    Image.new("RGB", (90, 30)).save(paths[0])
    changed, _ = load(paths[:2], cache)
    assert len(read) == 4 + 2 + 2
    assert changed.aspect[0] == 3


@pytest.mark.parametrize("harm", ["truncated", "of another kind", "no cache at all"])
def test_a_broken_cache_is_made_anew(
    pictures: Path, tmp_path: Path, read: list[str], harm: str
) -> None:
    paths, cache = sorted(pictures.iterdir()), tmp_path / "c.safetensors"
    first, _ = load(paths, cache)
    if harm == "truncated":
        cache.write_bytes(cache.read_bytes()[:-1000])
    elif harm == "of another kind":
        save_file({"x": np.zeros(3)}, cache)
    else:
        cache.write_bytes(b"")
    again, _ = load(paths, cache)
    assert len(read) == 8
    assert same(first, again)


def test_a_killed_call_leaves_the_old_cache_whole(
    pictures: Path, tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, cache = sorted(pictures.iterdir()), tmp_path / "c.safetensors"
    load(paths, cache)
    before = cache.read_bytes()

    def half(arrays: object, path: Path, metadata: object) -> None:
        Path(path).write_bytes(before[:100])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "save_file", half)
        with pytest.raises(KeyboardInterrupt):
            load(paths[:1], cache)
    assert cache.read_bytes() == before
    load(paths, cache)
    assert len(read) == 4 + 1  # and it is used again


def test_where_nothing_can_be_read_there_are_no_photographs(tmp_path: Path) -> None:
    photos, failures = load([tmp_path / "a.png"], tmp_path / "c.safetensors")
    assert photos.pixels.shape == (0, 3, 128, 128)
    assert photos.maps.shape == (0, 4, 64, 64)
    assert len(failures) == 1
