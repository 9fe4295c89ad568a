import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acseg.errors import ImageError
from acseg.images.open import open_pictures

Photos = Callable[..., Path]
Photograph = Callable[..., np.ndarray]


@pytest.fixture
def folder(photos: Photos, tmp_path: Path) -> Path:
    return photos(tmp_path / "photos", ["a.png", "b.png", "sub/c.png"])


def test_one_thing_is_one_picture(folder: Path, photograph: Photograph) -> None:
    path = folder / "a.png"
    sources: list[Any] = [path, str(path), path.read_bytes(), Image.open(path), photograph(0)]
    for source in sources:
        pictures, several = open_pictures(source)
        assert not several
        (found,) = pictures
        np.testing.assert_array_equal(found, photograph(0))


def test_lists_and_arrays_of_paths_are_several(folder: Path, photograph: Photograph) -> None:
    files = [str(folder / name) for name in ("a.png", "b.png", "sub/c.png")]
    for source in (files, tuple(files), np.array(files), np.array(files, object)):
        pictures, several = open_pictures(source)
        assert several
        for n, found in enumerate(pictures):
            np.testing.assert_array_equal(found, photograph(n))
        assert n == 2
    pictures, several = open_pictures([])
    assert (several, list(pictures)) == (True, [])


def test_a_folder_is_no_picture(folder: Path) -> None:
    with pytest.raises(ImageError, match="is a folder; give a list of its pictures"):
        list(open_pictures(folder)[0])


def test_pictures_are_read_one_after_the_other(folder: Path) -> None:
    (folder / "b.png").write_bytes(b"broken")
    pictures, _ = open_pictures([folder / "a.png", folder / "b.png"])
    next(pictures)
    with pytest.raises(ImageError, match=r"b\.png: not a picture"):
        next(pictures)


def test_addresses_are_fetched(folder: Path, photograph: Photograph) -> None:
    (folder / "text.jpg").write_text("no picture")
    serve = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(serve, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        pictures, several = open_pictures(f"{url}/a.png")
        assert not several
        np.testing.assert_array_equal(next(pictures), photograph(0))
        pictures, several = open_pictures([f"{url}/b.png", folder / "a.png"])
        assert several
        np.testing.assert_array_equal(next(pictures), photograph(1))
        for name, reason in (("text.jpg", "not a picture"), ("none.jpg", "404")):
            with pytest.raises(ImageError, match=f"{url}/{name}: .*{reason}"):
                next(open_pictures(f"{url}/{name}")[0])
        server.shutdown()


def test_what_does_not_exist_is_named(tmp_path: Path) -> None:
    for source in (tmp_path / "gone.jpg", [tmp_path / "gone.jpg"], f"{tmp_path}/gone*.jpg"):
        with pytest.raises(ImageError, match=r"gone"):
            list(open_pictures(source)[0])
