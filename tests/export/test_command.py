"""The command line: acseg export, and acseg segment with - for stdin and stdout."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acseg import cli

Maps = dict[str, np.ndarray]
MakeOut = Callable[..., Path]
Photograph = Callable[..., np.ndarray]


@pytest.fixture
def acseg(capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., tuple[int, bytes, str]]:
    """Run a command line in this process; give its status, stdout and stderr."""

    def run(*arguments: str | Path) -> tuple[int, bytes, str]:
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        out, err = capfdbinary.readouterr()
        code = left.value.code
        return code if isinstance(code, int) else 0, out, err.decode()

    return run


Acseg = Callable[..., tuple[int, bytes, str]]


@pytest.mark.parametrize(
    "name", ["coco", "coco-panoptic", "voc", "label-studio", "index", "colour", "geotiff"]
)
def test_every_format_has_its_command(
    name: str, acseg: Acseg, tmp_path: Path, maps: Maps, make_out: MakeOut
) -> None:
    pytest.importorskip("pycocotools")
    pytest.importorskip("tifffile")
    out = make_out(tmp_path, maps, failed={"b.jpg": "broken"})
    status, said, err = acseg("export", out, "--format", name, "-o", tmp_path / "to")
    assert (status, err) == (0, "")
    lines = said.decode().splitlines()
    assert lines[0] == f"6 pictures written to {tmp_path / 'to'}"
    assert lines[-1] == "left out: 1 picture that failed before"


def test_what_failed_is_named_with_status_1(
    acseg: Acseg, tmp_path: Path, maps: Maps, make_out: MakeOut
) -> None:
    out = make_out(tmp_path, maps)
    (out / "labels" / "noise.png").unlink()
    status, said, err = acseg("export", out, "--format", "index", "-o", tmp_path / "to")
    assert status == 1
    assert said.decode().startswith("5 pictures written")
    assert err.startswith("failed: noise.png: ")
    assert "no such file" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "OUT"], "--format"),
        (["export", "OUT", "--format", "pdf", "-o", "to"], "pdf"),
        (["export", "gone", "--format", "coco", "-o", "to"], "it has no segments.jsonl"),
        (["export", "OUT", "--format", "voc", "--polygons", "-o", "to"], "--polygons means"),
        (["export", "OUT", "--format", "voc", "-o", "OUT"], "choose another place"),
        (["export", "run", "--format", "onnx", "--images", "-o", "to"], "--overwrite only"),
    ],
)
def test_wrong_usage_is_status_2(
    arguments: list[str], words: str, acseg: Acseg, tmp_path: Path, maps: Maps,
    make_out: MakeOut, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = make_out(tmp_path, maps)
    monkeypatch.chdir(tmp_path)
    status, said, err = acseg(*(str(out) if a == "OUT" else a for a in arguments))
    assert status == 2
    assert words in err
    assert said == b""
    assert not (tmp_path / "to").exists()


def test_options_reach_the_format(
    acseg: Acseg, tmp_path: Path, maps: Maps, make_out: MakeOut
) -> None:
    out = make_out(tmp_path, maps)
    (tmp_path / "photos").rename(tmp_path / "moved")
    command = ["export", out, "--format", "coco", "-o", tmp_path / "to", "--polygons", "--images"]
    assert acseg(*command)[0] == 1
    command += ["--photos", tmp_path / "moved", "--instances", "components"]
    assert acseg(*command)[0] == 2
    assert acseg(*command, "--overwrite")[0] == 0
    assert (tmp_path / "to" / "images" / "noise.png").is_file()


def png(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG")
    return stream.getvalue()


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def give(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return give


Stdin = Callable[[bytes], None]


def test_stdin_becomes_what_the_folder_would_hold(
    acseg: Acseg, stdin: Stdin, tiny_run: Path, photograph: Photograph, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(photograph(3)))
    acseg("segment", path, "-o", tmp_path / "out", "--model", tiny_run)
    wanted = (tmp_path / "out" / "labels" / "a.png").read_bytes()
    for arguments in (["-"], ["-", "-o", "-"], [path, "-o", "-"]):
        stdin(path.read_bytes())
        status, out, err = acseg("segment", *arguments, "--model", tiny_run)
        assert (status, err) == (0, "")
        assert out == wanted
    stdin(path.read_bytes())
    target = tmp_path / "sub" / "b.png"
    status, out, err = acseg("segment", "-", "-o", target, "--model", tiny_run)
    assert (status, out, err) == (0, b"", "")
    assert target.read_bytes() == wanted


def test_a_pipe_between_programs(tiny_run: Path, photograph: Photograph) -> None:
    code = "from acseg.cli import main; import sys; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "-v", "segment", "-", "--model", str(tiny_run)]
    done = subprocess.run(command, input=png(photograph(1)), capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with Image.open(io.BytesIO(done.stdout)) as picture:
        assert picture.mode == "P"
        assert picture.size == (40, 48)
    assert done.stdout.endswith(b"IEND\xaeB`\x82")  # and nothing behind it
    assert b"backbone" in done.stderr


@pytest.mark.parametrize(("data", "words"), [(b"", "is empty"), (b"text", "not a picture")])
def test_what_is_no_picture_is_status_1_and_nothing_is_written(
    data: bytes, words: str, acseg: Acseg, stdin: Stdin
) -> None:
    stdin(data)
    status, out, err = acseg("segment", "-")
    assert (status, out) == (1, b"")
    assert err.startswith("failed: standard input: ")
    assert words in err


def test_a_file_that_is_none_is_named(acseg: Acseg, tmp_path: Path) -> None:
    status, out, err = acseg("segment", tmp_path / "gone.jpg", "-o", "-")
    assert (status, out) == (1, b"")
    assert err == f"failed: {tmp_path / 'gone.jpg'}: no such file\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["segment", "-", "a.jpg", "-o", "out"], "give it alone"),
        (["segment", "a.jpg", "b.jpg", "-o", "-"], "give it alone"),
        (["segment", "-", "-o", "out"], "a name ending in .png, not out"),
        (["segment", "a.jpg"], "Missing option"),
        (["segment", "-", "--tile", "512"], "--tile is for what goes into a folder"),
    ],
)
def test_wrong_usage_of_stdin_is_status_2(arguments: list[str], words: str, acseg: Acseg) -> None:
    status, out, err = acseg(*arguments)
    assert (status, out) == (2, b"")
    assert words in err


def test_a_terminal_is_neither_read_nor_written(
    acseg: Acseg, stdin: Stdin, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin(b"")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    status, out, err = acseg("segment", "-")
    assert (status, out) == (2, b"")
    assert "send a picture to it" in err
