"""A folder of bad, odd and difficult input: some 280 files, each with what shall become of it.

"ok": a label map; "failed": skipped, and named with a reason; "any": one of the two.
"""

import io
import os
import socket
import stat
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

Files = dict[bytes, str]  # name below the folder, as the system has it -> what shall become of it

KINDS: dict[str, tuple[str, dict]] = {
    "plain.jpg": ("JPEG", {"quality": 90}),
    "progressive.jpg": ("JPEG", {"progressive": True}),
    "plain.png": ("PNG", {}),
    "stored.png": ("PNG", {"compress_level": 0}),
    "lossy.webp": ("WEBP", {"quality": 80}),
    "lossless.webp": ("WEBP", {"lossless": True}),
    "raw.tif": ("TIFF", {}),
    "lzw.tif": ("TIFF", {"compression": "tiff_lzw"}),
    "deflate.tif": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "jpeg.tif": ("TIFF", {"compression": "jpeg"}),
    "packbits.tif": ("TIFF", {"compression": "packbits"}),
    "plain.bmp": ("BMP", {}),
    "plain.gif": ("GIF", {}),
    "plain.ppm": ("PPM", {}),
}


def scene(seed: int = 0, size: tuple[int, int] = (56, 44)) -> Image.Image:
    """Draw a picture of coloured areas with noise, so that a cut of the file is seen."""
    random = np.random.default_rng(seed)
    width, height = size
    picture = np.full((height, width, 3), random.integers(0, 255, 3), np.float64)
    picture[height // 2 :] = random.integers(0, 255, 3)
    picture[:, width // 2 :] += random.integers(-90, 90, 3)
    noisy = picture + random.normal(0, 12, picture.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def encoded(picture: Image.Image, kind: str, **settings: object) -> bytes:
    """Encode a picture."""
    stream = io.BytesIO()
    picture.save(stream, format=kind, **settings)
    return stream.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    """Put a chunk of a PNG together."""
    check = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + check


def png(width: int, height: int, depth: int, colour: int, data: bytes) -> bytes:
    """Put a PNG together by hand."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = png_chunk(b"IHDR", head) + png_chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


def tiff_head(width: int, height: int, *, tiles: bool = False) -> bytes:
    """Put the head of a TIFF together that promises much and holds nothing."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (277, 3, 1)]
    if tiles:
        tags += [(322, 4, 256), (323, 4, 256), (324, 4, 8), (325, 4, 65536)]
    else:
        tags += [(273, 4, 8), (278, 4, height), (279, 4, min(width * height, 2**32 - 1))]
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(tags))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + b"\0\0\0\0"


def contents() -> Iterator[tuple[str, bytes, str]]:
    """Give (name, content, what shall become of it) of the files whose names are ordinary."""
    yield from _cut()
    yield from _misnamed()
    yield from _sizes()
    yield from _depths()
    yield from _colours()
    yield from _attachments()
    yield from _changed()


def _cut() -> Iterator[tuple[str, bytes, str]]:
    """Whole files, and cut at each quarter, at the last byte and after the first few."""
    for seed, (name, (kind, settings)) in enumerate(KINDS.items()):
        data = encoded(scene(seed), kind, **settings)
        yield f"whole/{name}", data, "ok"
        for quarter in (1, 2, 3):
            part = data[: len(data) * quarter // 4]
            # a progressive JPEG or a GIF may hold all rows before its end
            yield f"cut/{quarter}/{name}", part, "any" if "prog" in name else "failed"
        yield f"cut/last/{name}", data[:-1], "any"
        yield f"cut/first/{name}", data[:12], "failed"
        yield f"cut/zeros/{name}", data[: len(data) // 2] + bytes(len(data) // 2), "any"
        yield f"cut/longer/{name}", data + b"trailing bytes" * 9, "ok"


def _misnamed() -> Iterator[tuple[str, bytes, str]]:
    suffixes = ("jpg", "png", "webp", "tif", "bmp", "gif")
    for seed, suffix in enumerate(suffixes):
        name = ("plain.jpg", "plain.png", "lossy.webp", "raw.tif", "plain.bmp", "plain.gif")[seed]
        kind, settings = KINDS[name]
        data = encoded(scene(seed), kind, **settings)
        for other in (suffixes[(seed + 1) % 6], suffixes[(seed + 3) % 6].upper()):
            yield f"misnamed/{seed}.{other}", data, "ok"
        yield f"empty/{suffix}.{suffix}", b"", "failed"
        yield f"noise/{suffix}.{suffix}", np.random.default_rng(seed).bytes(999), "failed"
    others = {
        "text.jpg": b"this is a letter\n" * 50,
        "page.png": b"<!DOCTYPE html><script>alert(1)</script>",
        "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"/>',
        "paper.jpg": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n",
        "post.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\nquit\n",
        "archive.tif": b"PK\x03\x04" + bytes(200),
        "program.gif": b"\x7fELF" + bytes(200),
        "zeros.bmp": bytes(5000),
        "pickle.png": b"\x80\x04\x95\x1a\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    }
    for name, data in others.items():
        yield f"other/{name}", data, "failed"


def _sizes() -> Iterator[tuple[str, bytes, str]]:
    for kind, suffix in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("TIFF", "tif"),
                         ("BMP", "bmp"), ("GIF", "gif")):  # fmt: skip
        yield f"size/1x1.{suffix}", encoded(scene(1, (1, 1)), kind), "failed"
        yield f"size/8x8.{suffix}", encoded(scene(1, (8, 8)), kind), "ok"
        if kind != "WEBP":  # no WebP is longer than 16,383
            yield f"size/1x20000.{suffix}", encoded(scene(1, (1, 20000)), kind), "failed"
            yield f"size/20000x1.{suffix}", encoded(scene(1, (20000, 1)), kind), "failed"
    yield "size/8x20000.png", encoded(scene(1, (8, 20000)), "PNG"), "ok"
    yield "size/20000x8.jpg", encoded(scene(1, (20000, 8)), "JPEG"), "ok"
    many = 30000
    bmp = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, many, many, 1, 24, 0, 0, 0,
                      0, 0, 0)  # fmt: skip
    jpeg = encoded(scene(), "JPEG").replace(
        struct.pack(">HH", 44, 56), struct.pack(">HH", many, many)
    )
    bombs = {
        "png": png(many, many, 8, 2, bytes(999)),
        "grey.png": png(many, many, 1, 0, bytes(999)),
        "bmp": bmp + bytes(99),
        "gif": b"GIF89a" + struct.pack("<HHBBB", many, many, 0, 0, 0) + b",\0\0\0\0"
        + struct.pack("<HHB", many, many, 0) + b"\x02\x02L\x01\0;",
        "jpg": jpeg,
        "tif": tiff_head(many, many),
        "tiles.tif": tiff_head(many, many, tiles=True),
        "ppm": b"P6 30000 30000 255\n" + bytes(99),
        "webp": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0"
        + (many - 1).to_bytes(3, "little") * 2 + bytes(9),
    }  # fmt: skip
    for suffix, data in bombs.items():
        yield f"bomb/30000.{suffix}", data, "failed"
    yield "bomb/most.png", png(2**31 - 1, 2**31 - 1, 8, 2, b""), "failed"
    yield "bomb/most.tif", tiff_head(2**32 - 1, 2**32 - 1), "failed"
    yield "bomb/none.png", png(0, 0, 8, 2, b""), "failed"
    yield "bomb/none.tif", tiff_head(0, 0), "failed"
    yield "bomb/flat.png", png(9, 9, 8, 2, bytes(10**7)), "ok"  # more data than the picture needs
    yield "bomb/thin.tif", tiff_head(64, 2**31), "failed"


def _depths() -> Iterator[tuple[str, bytes, str]]:
    ramp = np.linspace(900, 5000, 40 * 40).reshape(40, 40)
    grey = Image.fromarray(ramp.astype(np.uint16))
    for kind, suffix in (("PNG", "png"), ("TIFF", "tif")):
        yield f"deep/grey16.{suffix}", encoded(grey, kind), "ok"
    rows = np.random.default_rng(0).integers(0, 2**16, (20, 20, 3)).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    yield "deep/colour16.png", png(20, 20, 16, 2, raw), "ok"
    yield "deep/int32.tif", encoded(Image.fromarray(ramp.astype(np.int32)), "TIFF"), "ok"
    yield "deep/bits.png", encoded(scene().convert("1"), "PNG"), "ok"
    yield "deep/bits.tif", encoded(scene().convert("1"), "TIFF", compression="group4"), "ok"
    floats = (ramp / 5000).astype(np.float32)
    values = {"plain": floats, "nan": floats.copy(), "inf": floats.copy(), "both": floats.copy()}
    values["nan"][3:9, 3:9] = np.nan
    values["inf"][0] = np.inf
    values["both"][1], values["both"][2], values["both"][3] = np.nan, np.inf, -np.inf
    values["huge"] = floats * 1e38
    values["constant"] = np.full_like(floats, 7)
    for name, array in values.items():
        yield f"float/{name}.tif", encoded(Image.fromarray(array), "TIFF"), "ok"
    for name, value in (("only-nan", np.nan), ("only-inf", np.inf)):
        empty = Image.fromarray(np.full_like(floats, value))
        yield f"float/{name}.tif", encoded(empty, "TIFF"), "failed"


def _colours() -> Iterator[tuple[str, bytes, str]]:
    more = [scene(seed) for seed in (2, 3)]
    for suffix, kind in (("tif", "TIFF"), ("gif", "GIF"), ("webp", "WEBP"), ("png", "PNG")):
        data = encoded(scene(), kind, save_all=True, append_images=more)
        yield f"frames/three.{suffix}", data, "ok"
        yield f"frames/cut.{suffix}", data[: len(data) * 9 // 10], "any"
    for mode in ("CMYK", "L"):
        yield f"colour/{mode}.jpg", encoded(scene().convert(mode), "JPEG"), "ok"
        yield f"colour/{mode}.tif", encoded(scene().convert(mode), "TIFF"), "ok"
    yield "colour/lab.tif", encoded(scene().convert("LAB"), "TIFF"), "any"
    yield "colour/ycbcr.tif", encoded(scene().convert("YCbCr"), "TIFF"), "any"
    palette = scene().quantize(7)
    for name, clear in (("one", 3), ("several", bytes([0, 90, 255, 40])), ("all", bytes(7))):
        yield f"palette/{name}.png", encoded(palette, "PNG", transparency=clear), "ok"
    yield "palette/clear.gif", encoded(palette, "GIF", transparency=2), "ok"
    yield "palette/short.png", png(16, 16, 8, 3, (b"\0" + bytes(range(16))) * 16), "any"
    for mode in ("RGBA", "LA", "PA"):
        if mode != "PA":
            yield f"alpha/{mode}.png", encoded(scene().convert(mode), "PNG"), "ok"
    yield "alpha/none.webp", encoded(Image.new("RGBA", (20, 20)), "WEBP"), "ok"
    yield "alpha/key.png", encoded(scene(), "PNG", transparency=(1, 2, 3)), "ok"


def _attachments() -> Iterator[tuple[str, bytes, str]]:
    """Pictures that are sound, with broken notes beside them."""
    exif = {
        "empty": b"",
        "marker": b"Exif\0\0",
        "noise": b"Exif\0\0" + np.random.default_rng(1).bytes(99),
        "far": b"Exif\0\0II*\0\xff\xff\xff\x7f",
        "loop": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\0\0\0\0",
        "turn": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",
        "many": b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(30),
    }
    for name, block in exif.items():
        for suffix, kind in (("jpg", "JPEG"), ("webp", "WEBP"), ("png", "PNG")):
            try:
                data = encoded(scene(5), kind, exif=block)
            except Exception:  # noqa: BLE001 - Pillow itself refuses to write some
                continue
            yield f"exif/{name}.{suffix}", data, "ok"
    for name, block in {"noise": b"not a profile" * 9, "head": bytes(128), "one": b"x"}.items():
        for suffix, kind in (("jpg", "JPEG"), ("png", "PNG"), ("tif", "TIFF"), ("webp", "WEBP")):
            yield f"icc/{name}.{suffix}", encoded(scene(6), kind, icc_profile=block), "ok"
    sound = encoded(scene(), "PNG")
    zipped = png_chunk(b"iCCP", b"x\0\0not zipped") + png_chunk(b"zTXt", b"k\0\0" + bytes(9))
    yield "icc/chunk.png", sound[:33] + zipped + sound[33:], "any"
    bomb = png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(10**8)))
    yield "icc/text-bomb.png", sound[:33] + bomb + sound[33:], "any"


def _changed() -> Iterator[tuple[str, bytes, str]]:
    """Files with a few bytes changed at random: anything, but named or drawn."""
    for name in ("plain.jpg", "plain.png", "lossy.webp", "raw.tif", "deflate.tif", "plain.gif"):
        kind, settings = KINDS[name]
        sound = np.frombuffer(encoded(scene(7), kind, **settings), np.uint8)
        for seed in range(6):
            random = np.random.default_rng(seed)
            data = sound.copy()
            places = random.integers(
                0, len(data) if seed % 2 else min(300, len(data)), 1 + 3 * seed
            )
            data[places] = random.integers(0, 256, len(places))
            yield f"changed/{seed}/{name}", data.tobytes(), "any"


def names() -> Iterator[bytes]:
    """Names that are difficult; the content is a sound picture."""
    texts = [
        "a b.png", " leading.png", "trailing .png", "line\nbreak.png", "tab\t.png", "quote'\".png",
        "<script>alert(1)</script>.png".replace("/", "\u2215"), "&amp;.png", "-o.png", "--help.png",
        "percent%0A.png", "dollar$(touch x).png", "semi;colon.png", "back\\slash.png", "star*.png",
        "[bracket].png", "{brace}.png", "question?.png", "comma,.png", "hash#.png", "two..png",
        "UPPER.PNG", "b.tar.png", "ä.png", "a\u0308.png", "日本語.png", "\u202egnp.exe.png",
        "\u2028.png", "emoji\U0001f600.png", "CON.png", "\x7f.png", "\x1b[31m.png", "~.png",
    ]  # fmt: skip
    yield from (os.fsencode(text) for text in texts)
    yield from (b"\xff\xfe.png", b"caf\xe9.png", b"\xc3\x28.png", b"\xed\xa0\x80.png")
    yield b"l" * 250 + b".png"
    yield b"l" * 250 + b".tif"  # meets the one before
    yield b"\xe9" * 250 + b".png"  # each byte is written with three characters
    yield "ü".encode() * 125 + b".png"
    yield b"deep/" + b"/".join([b"d" * 200] * 6) + b"/a.png"


def build(folder: Path) -> Files:
    """Write the corpus into an empty folder, and say what shall become of each file."""
    found: Files = {}
    root = os.fsencode(folder)

    def put(name: bytes, data: bytes, wanted: str) -> None:
        path = root + b"/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        found[name] = wanted

    for text, data, wanted in contents():
        put(os.fsencode(text), data, wanted)
    for seed, name in enumerate(names()):
        kind = "TIFF" if name.endswith(b".tif") else "PNG"
        put(b"names/" + name, encoded(scene(seed), kind), "ok")
    found |= _not_files(root)
    return found


def _not_files(root: bytes) -> Files:
    """Make links, pipes, devices and folders that are called like pictures."""
    os.makedirs(root + b"/links/inner")
    sound = encoded(scene(9), "PNG")
    with open(root + b"/links/inner/real.png", "wb") as file:
        file.write(sound)
    links = {
        b"self.png": (b"self.png", "failed"),
        b"there.png": (b"back.png", "failed"),
        b"back.png": (b"there.png", "failed"),
        b"missing.png": (b"nowhere.png", "failed"),
        b"endless.png": (b"/dev/zero", "failed"),
        b"null.png": (b"/dev/null", "failed"),
        b"memory.png": (b"/proc/self/mem", "failed"),
    }
    found: Files = {b"links/inner/real.png": "ok"}
    for name, (target, wanted) in links.items():
        os.symlink(target, root + b"/links/" + name)
        found[b"links/" + name] = wanted
    os.symlink(b"..", root + b"/links/inner/up")  # a folder that holds itself
    os.symlink(b".", root + b"/links/same.png")
    os.makedirs(root + b"/folder.jpg")
    with open(root + b"/folder.jpg/inside.png", "wb") as file:
        file.write(sound)
    found[b"folder.jpg/inside.png"] = "ok"
    os.makedirs(root + b"/special")
    os.mkfifo(root + b"/special/pipe.jpg")
    found[b"special/pipe.jpg"] = "failed"
    try:
        os.mknod(root + b"/special/device.png", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        found[b"special/device.png"] = "failed"
    except PermissionError:
        pass
    listener = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    try:
        os.chdir(root + b"/special")  # the path of a socket may have 108 bytes
        listener.bind(b"socket.png")
        found[b"special/socket.png"] = "failed"
    finally:
        os.chdir(here)
        listener.close()
    return found
