import io
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from acseg.app.dropped import Shelf, read_dropped
from acseg.app.limits import Limits
from acseg.errors import ImageError

Png = Callable[..., bytes]


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises many pixels, and that holds none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_a_picture_is_read_as_it_is(png: Png) -> None:
    data = png(3, (40, 50))
    image = read_dropped("a.png", data, Limits())
    assert image.shape == (40, 50, 3)
    assert image.tobytes() == Image.open(io.BytesIO(data)).convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"just some text, no picture", "not a picture"),
        (b"\xff\xd8\xff\xe0 broken", "broken or truncated"),
        (b"%PDF-1.4 nothing", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (bomb(9000, 9000), "pixels, more than the 64 million"),
        (bomb(30000, 30000), "pixels"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=r"^note\.jpg: ") as caught:
        read_dropped("note.jpg", data, Limits())
    assert words in str(caught.value)


def test_a_truncated_picture_is_refused(png: Png) -> None:
    with pytest.raises(ImageError, match=r"a\.png: broken or truncated"):
        read_dropped("a.png", png()[:400], Limits())


def test_limits_on_size_and_pixels(png: Png) -> None:
    data = png(0, (100, 100))
    with pytest.raises(ImageError, match="MB allowed"):
        read_dropped("a.png", data, Limits(megabytes=len(data) / 1e6 - 0.001))
    with pytest.raises(ImageError, match=r"100 x 100 pixels, more than the 0\.009 million"):
        read_dropped("a.png", data, Limits(megapixels=0.009))
    assert read_dropped("a.png", data, Limits(megapixels=0.01)).shape == (100, 100, 3)


def test_the_shelf_holds_few_and_forgets_what_was_not_used_longest() -> None:
    shelf = Shelf(Limits(held=2))
    first, second = shelf.put("a", b"1"), shelf.put("b", b"2")
    assert shelf.get(first) is not None
    third = shelf.put("c", b"3")
    assert shelf.get(second) is None
    assert [shelf.get(w).data for w in (first, third)] == [b"1", b"3"]  # type: ignore[union-attr]
    shelf.drop(first)
    shelf.drop(None)
    assert shelf.get(first) is None


def test_words_are_long_and_never_the_same_and_names_are_text() -> None:
    shelf = Shelf(Limits(held=100))
    words = {shelf.put("a", b"") for _ in range(50)}
    assert len(words) == 50
    assert min(map(len, words)) >= 32
    held = shelf.get(shelf.put("a\nb\udce9\x00.jpg" + "x" * 500, b""))
    assert held is not None
    assert held.name.startswith("a%0Ab%E9%00.jpg")
    assert len(held.name) == 200
    assert shelf.get(3) is None  # type: ignore[arg-type]
