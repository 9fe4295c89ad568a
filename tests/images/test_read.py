import builtins
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from acseg.errors import ImageError
from acseg.images.faults import MAX_PIXELS
from acseg.images.read import read_image

RED, GREEN, BLUE = (250, 10, 10), (10, 250, 10), (10, 10, 250)


def scene(width: int = 48, height: int = 32) -> Image.Image:
    """A picture without symmetry: red, a green corner at the top left, a blue lower edge."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(GREEN, (0, 0, width // 2, height // 2))
    picture.paste(BLUE, (0, height - height // 4, width, height))
    return picture


def encoded(picture: Image.Image, kind: str, **settings: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format=kind, **settings)
    return stream.getvalue()


def close(found: np.ndarray, wanted: np.ndarray, within: int) -> None:
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted.astype(int)).mean() < within


@pytest.mark.parametrize(
    ("kind", "settings", "within"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}, 4),
        ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}, 4),
        ("PNG", {}, 1),
        ("WEBP", {"lossless": True}, 1),
        ("TIFF", {}, 1),
        ("TIFF", {"compression": "tiff_lzw"}, 1),
        ("BMP", {}, 1),
        ("GIF", {}, 12),
        ("PPM", {}, 1),
    ],
)
def test_formats(kind: str, settings: dict, within: int) -> None:
    close(read_image(encoded(scene(), kind, **settings)), np.asarray(scene()), within)


def test_path_text_bytes_picture_and_array_agree(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    scene().save(path)
    wanted = np.asarray(scene())
    for source in (path, str(path), path.read_bytes(), scene(), wanted, Image.open(path)):
        np.testing.assert_array_equal(read_image(source), wanted)


def test_the_result_is_not_shared_with_an_array() -> None:
    given = np.zeros((10, 10, 3), np.uint8)
    read_image(given)[:] = 9
    assert given.max() == 0


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(kind: str, orientation: int) -> None:
    turned = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]
    stored = scene()
    for step in turned:
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    settings = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    close(read_image(encoded(stored, kind, exif=exif, **settings)), np.asarray(scene()), 8)


def test_a_broken_exif_block_does_not_spoil_the_picture() -> None:
    data = encoded(scene(), "JPEG", exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff broken")
    assert read_image(data).shape == (32, 48, 3)


def test_nothing_is_said_of_odd_tags_in_any_thread() -> None:
    data = encoded(scene(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(30))
    code = (
        "import sys, warnings\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "from acseg.images.read import read_image\n"
        "data = sys.stdin.buffer.read()\nbefore = list(warnings.filters)\n"
        "list(ThreadPoolExecutor(4).map(read_image, [data] * 40))\n"
        "assert warnings.filters == before"
    )
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_cmyk_jpeg_in_adobes_convention() -> None:
    data = encoded(scene().convert("CMYK"), "JPEG", quality=95, subsampling=0)
    assert b"Adobe" in data
    close(read_image(data), np.asarray(scene()), 6)


def test_grey_jpeg_has_three_equal_channels() -> None:
    found = read_image(encoded(scene().convert("L"), "JPEG"))
    np.testing.assert_array_equal(found[..., 0], found[..., 2])
    assert found.shape == (32, 48, 3)


def test_palette_png() -> None:
    found = read_image(encoded(scene().quantize(8), "PNG"))
    close(found, np.asarray(scene()), 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_over_white(mode: str) -> None:
    clear = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 8, 16))
    clear.paste((0, 0, 0, 128), (0, 0, 4, 16))
    found = read_image(encoded(clear.convert(mode), "PNG"))
    assert found[0, 0].tolist() == [127] * 3
    assert found[0, 6].tolist() == [0] * 3
    assert found[0, 12].tolist() == [255] * 3


def test_a_transparent_palette_colour_is_laid_over_white() -> None:
    picture = Image.new("P", (16, 16), 0)
    picture.putpalette([10, 20, 30, 200, 100, 0])
    picture.paste(1, (0, 0, 8, 16))
    found = read_image(encoded(picture, "PNG", transparency=0))
    assert found[0, 12].tolist() == [255] * 3
    assert found[0, 2].tolist() == [200, 100, 0]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_stretched(kind: str) -> None:
    values = np.linspace(1000, 5000, 16 * 16).reshape(16, 16).astype(np.uint16)
    found = read_image(encoded(Image.fromarray(values), kind))
    assert found.min() == 0
    assert found.max() == 255
    assert (np.diff(found[..., 0].ravel().astype(int)) >= 0).all()


def test_16_bit_colour_png() -> None:
    """A 16-bit colour PNG, built by hand since Pillow writes none."""
    rows = np.zeros((9, 9, 3), ">u2")
    rows[:] = (65535, 32896, 257)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    header = struct.pack(">IIBBBBB", 9, 9, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    assert read_image(data)[4, 4].tolist() == [255, 128, 1]


def test_float_tiff_is_stretched_and_nan_is_black() -> None:
    values = np.linspace(-2, 6, 12 * 10, dtype=np.float32).reshape(12, 10)
    values[0, 0], values[0, 1], values[5, 5] = np.nan, np.inf, -2
    found = read_image(encoded(Image.fromarray(values), "TIFF"))
    assert found[0, 0].tolist() == [0] * 3
    assert found[0, 1].tolist() == [0] * 3
    assert found[-1, -1].tolist() == [255] * 3
    assert found[5, 5].tolist() == [0] * 3


def test_a_constant_float_tiff_is_black_and_one_without_values_is_refused() -> None:
    flat = Image.fromarray(np.full((9, 9), 3, np.float32))
    assert read_image(encoded(flat, "TIFF")).max() == 0
    empty = Image.fromarray(np.full((9, 9), np.nan, np.float32))
    with pytest.raises(ImageError, match="no finite value"):
        read_image(encoded(empty, "TIFF"))


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("bands", [3, 6])
def test_tiffs_that_pillow_cannot_read(planar: str, bands: int) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = np.random.default_rng(0).random((14, 12, bands), dtype=np.float32)
    stored = values if planar == "contig" else np.moveaxis(values, -1, 0)
    stream = io.BytesIO()
    tifffile.imwrite(stream, stored, photometric="rgb", planarconfig=planar)
    first = values[..., :3]
    wanted = (first - first.min()) / (first.max() - first.min()) * 255
    close(read_image(stream.getvalue()), wanted.round().astype(np.uint8), 1)


def test_an_8_bit_bigtiff_and_grey_with_alpha_in_float() -> None:
    tifffile = pytest.importorskip("tifffile")
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.asarray(scene()), bigtiff=True, photometric="rgb")
    np.testing.assert_array_equal(read_image(stream.getvalue()), np.asarray(scene()))
    stream = io.BytesIO()
    values = np.random.default_rng(0).random((14, 12, 2))
    tifffile.imwrite(stream, values, photometric="minisblack", planarconfig="contig")
    assert read_image(stream.getvalue()).shape == (14, 12, 3)


def test_a_tiff_stack_is_refused() -> None:
    tifffile = pytest.importorskip("tifffile")
    stream = io.BytesIO()
    values = np.zeros((16, 32, 32, 3), np.float32)
    tifffile.imwrite(stream, values, volumetric=True, tile=(16, 16, 16), photometric="rgb")
    with pytest.raises(ImageError, match="no plain picture"):
        read_image(stream.getvalue())


def test_without_tifffile_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile = pytest.importorskip("tifffile")
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((9, 9, 3), np.float32), photometric="rgb")
    load = builtins.__import__

    def refuse(name: str, *rest: object) -> object:
        if name == "tifffile":
            raise ImportError(name)
        return load(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImageError, match=r"pip install 'acseg\[tiff\]'"):
        read_image(stream.getvalue(), name="scan.tif")


def test_gif_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (12, 12), colour) for colour in (RED, GREEN)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    close(read_image(data), np.asarray(frames[0]), 4)


def test_a_png_with_a_wrong_suffix_reads_well(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(scene(), "PNG"))
    np.testing.assert_array_equal(read_image(path), np.asarray(scene()))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"this is a text, not a picture\n" * 20, "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "not a picture"),
        (encoded(scene(), "JPEG")[:-200], "broken or truncated"),
        (encoded(scene(400, 300).effect_spread(9), "PNG")[:2000], "broken or truncated"),
        (encoded(scene(), "TIFF")[:100], "broken or truncated"),
        (encoded(Image.new("RGB", (1, 1)), "PNG"), "1 x 1 pixels; each side needs at least 8"),
        (encoded(Image.new("RGB", (400, 7)), "JPEG"), "400 x 7 pixels"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_missing_files_folders_and_other_things(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.jpg: no such file"):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="a folder"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="not a regular file"):
        read_image("/dev/null")
    with pytest.raises(ImageError, match="int: a path, bytes"):
        read_image(3)  # type: ignore[arg-type]


def test_a_header_that_promises_too_much_is_refused_before_decoding(tmp_path: Path) -> None:
    header = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, 60000, 60000, 1, 24,
                         0, 0, 0, 0, 0, 0)  # fmt: skip
    path = tmp_path / "bomb.bmp"
    path.write_bytes(header + b"\0" * 100)
    with pytest.raises(ImageError, match=r"bomb\.bmp: .*pixels.* allowed"):
        read_image(path)


def test_too_many_pixels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acseg.images.faults.MAX_PIXELS", 1000)
    with pytest.raises(ImageError, match="48 x 32 pixels, more than the 1,000 allowed"):
        read_image(encoded(scene(), "PNG"))
    assert MAX_PIXELS > 100_000_000


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(13, "no"), "permission denied"),
        (MemoryError(), "too large for the memory"),
        (struct.error("short"), r"broken or truncated \(short\)"),
        (SyntaxError("odd"), r"broken or truncated \(odd\)"),
        (AssertionError(), r"broken or truncated \(AssertionError\)"),
    ],
)
def test_any_error_of_a_decoder_becomes_ours(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("acseg.images.read.Image.open", fail)
    with pytest.raises(ImageError, match="the bytes given: " + reason):
        read_image(b"something")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"]),
    st.integers(0, 10**6),
    st.binary(min_size=1, max_size=8),
)
def test_damaged_files_give_a_picture_or_our_error(kind: str, place: int, damage: bytes) -> None:
    data = bytearray(encoded(scene(), kind))
    place %= len(data)
    data[place : place + len(damage)] = damage
    try:
        found = read_image(bytes(data))
    except ImageError:
        return
    assert found.ndim == 3
    assert found.shape[2] == 3


def test_a_short_side_makes_jpeg_smaller_but_never_too_small() -> None:
    data = encoded(scene(640, 480), "JPEG")
    found = read_image(data, short_side=100)
    assert found.shape == (120, 160, 3)
    assert read_image(data, short_side=1000).shape == (480, 640, 3)
    assert read_image(encoded(scene(), "PNG"), short_side=9).shape == (32, 48, 3)


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64, bool])
def test_arrays(channels: tuple, dtype: type) -> None:
    top = {np.uint8: 255, np.uint16: 65535}.get(dtype, 1)
    values = np.full((20, 10, *channels), top, dtype)
    values[:10] = 0
    if channels == (4,):
        values[..., 3] = top
    found = read_image(values.swapaxes(0, 1))  # not contiguous
    assert found.shape == (10, 20, 3)
    assert found[0, 0].tolist() == [0] * 3
    assert found[0, -1].tolist() == [255] * 3


def test_array_scale() -> None:
    assert read_image(np.full((9, 9), 0.5))[0, 0, 0] == 128
    assert read_image(np.full((9, 9), 257 * 7, np.uint16))[0, 0, 0] == 7


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros(9), "shape"),
        (np.zeros((9, 9, 2), np.uint8), "shape"),
        (np.zeros((2, 9, 9, 3), np.uint8), "shape"),
        (np.zeros((3, 9), np.uint8), "9 x 3 pixels"),
        (np.zeros((0, 9)), "9 x 0 pixels"),
        (np.full((9, 9), 255.0), "expected 0..1"),
        (np.full((9, 9), np.nan), "expected 0..1"),
        (np.zeros((9, 9), np.int64), "int64"),
    ],
)
def test_arrays_that_are_no_picture(values: np.ndarray, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        read_image(values)


def test_small_pictures_in_memory_are_refused_and_named() -> None:
    with pytest.raises(ImageError, match="the picture given: 4 x 4"):
        read_image(Image.new("RGB", (4, 4)))
    with pytest.raises(ImageError, match="tile 7: "):
        read_image(Image.new("RGB", (4, 4)), name="tile 7")


def test_real_photographs(shared: Path) -> None:
    for path in sorted((shared / "labelled").rglob("*.jpg"))[:3]:
        image = read_image(path)
        assert image.std() > 5
