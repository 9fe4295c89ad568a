"""Disks that are full, small or read-only: named, nothing half-written, nothing else lost."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from acseg import cli
from acseg.output.records import read_records

Photos = Callable[..., Path]

Acseg = Callable[..., Any]


@dataclass
class Done:
    """Exit status of a command, and what it wrote to stderr."""

    status: int
    err: str


@pytest.fixture
def acseg(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command in this process, which may meanwhile write files of so many bytes at most."""

    def run(*arguments: object, most_bytes: int | None = None) -> Done:
        capfd.readouterr()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
        try:
            with pytest.raises(SystemExit) as left:
                cli.main([*map(str, arguments), "--device", "cpu"])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        err = capfd.readouterr().err
        assert "Traceback" not in err
        code = left.value.code
        return Done(code if isinstance(code, int) else 0, err)

    return run


def in_a_process_of_its_own(*arguments: object) -> Done:
    """Run a command that may be killed by the system."""
    code = "import sys; from acseg.cli import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments), "--device", "cpu"],
        capture_output=True, text=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stderr)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount small disks in memory; they are gone at the end."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root on Linux, to mount a small disk")
    mounted: list[Path] = []

    def make(name: str, options: str) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"this machine lets nobody mount: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield make
    for folder in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def parts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.part")]


def test_a_disk_that_fills_up_costs_no_picture_that_was_written(
    acseg: Acseg, mount: Callable[..., Path], tiny_run: Path, photos: Photos, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "in", [f"{n:02}.png" for n in range(24)], size=(120, 160))
    out = mount("disk", "size=200k")
    done = acseg("segment", folder, "-o", out / "out", "--model", tiny_run)
    assert done.status in (1, 2)
    assert "No space left" in done.err
    assert parts(out) == []
    written = list((out / "out" / "labels").glob("*.png"))
    assert 0 < len(written) < 24
    subprocess.run(["mount", "-o", "remount,size=64m", str(out)], check=True)
    again = acseg("segment", folder, "-o", out / "out", "--model", tiny_run)
    assert (again.status, again.err) == (0, "")
    records = read_records(out / "out" / "segments.jsonl")
    assert [record.status for record in records] == ["ok"] * 24


def test_a_full_disk_is_one_line(
    acseg: Acseg, mount: Callable[..., Path], tiny_run: Path, photos: Photos, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "in", ["a.png"])
    out = mount("disk", "size=16k")
    with pytest.raises(OSError, match="No space"), (out / "filler").open("wb") as file:
        file.write(bytes(10**6))
    for command in (
        ("segment", folder, "-o", out / "out", "--model", tiny_run),
        ("predict", tiny_run, folder, "-o", out / "out"),
        ("fit", folder, "-o", out / "run", "--steps", "2"),
    ):
        done = acseg(*command)
        assert done.status in (1, 2)
        assert "No space left" in done.err
        assert done.err.count("\n") <= 2


@pytest.mark.parametrize("command", ["segment", "predict", "fit"])
def test_an_out_that_is_read_only_is_one_line_and_status_2(
    acseg: Acseg,
    mount: Callable[..., Path],
    tiny_run: Path,
    tiny_backbone: Path,
    photos: Photos,
    tmp_path: Path,
    command: str,
) -> None:
    folder = photos(tmp_path / "in", ["a.png"])
    out = mount("disk", "ro")
    arguments: dict[str, tuple[Any, ...]] = {
        "segment": ("segment", folder, "--model", tiny_run),
        "predict": ("predict", tiny_run, folder),
        "fit": ("fit", folder, "--backbone", tiny_backbone),
    }
    for place in (out, out / "below"):
        done = acseg(*arguments[command], "-o", place)
        assert done.status == 2
        assert done.err.startswith("acseg: ")
        assert "Read-only file system" in done.err
        assert done.err.count("\n") == 1


def test_a_limit_on_the_size_of_files_fails_the_pictures_beyond_it_and_no_other(
    acseg: Acseg, tiny_run: Path, photos: Photos, tmp_path: Path
) -> None:
    """What a quota does, without being root."""
    folder = photos(tmp_path / "in", ["small.png"], size=(40, 40))
    photos(folder, ["large.png"], size=(1500, 1500))
    out = tmp_path / "out"
    done = acseg("segment", folder, "-o", out, "--model", tiny_run, most_bytes=120_000)
    assert done.status == 1
    assert done.err.startswith("failed: large.png: cannot write its result: ")
    assert (out / "labels" / "small.png").is_file()
    assert not (out / "overlays" / "large.jpg").exists()
    assert parts(out) == []


def test_a_fit_that_ran_out_of_disk_goes_on(
    mount: Callable[..., Path], tiny_backbone: Path, photos: Photos, tmp_path: Path
) -> None:
    folder = photos(tmp_path / "in", [f"{n}.png" for n in range(8)])
    out = mount("disk", "size=40k")
    fit = ("fit", folder, "-o", out / "run", "--backbone", tiny_backbone, "--set", "side=40")
    fit += ("--steps", "3", "--set", "batch_size=2", "--classes", "3")
    done = in_a_process_of_its_own(*fit)
    assert done.status == 2
    assert "No space left" in done.err
    assert not (out / "run" / "config.json").exists()
    subprocess.run(["mount", "-o", "remount,size=64m", str(out)], check=True)
    again = in_a_process_of_its_own(*fit)
    assert (again.status, again.err) == (0, "")
    assert json.loads((out / "run" / "config.json").read_text())["notes"]["pictures"] == 8
