"""segment and predict as commands: JSON, going on, starting anew, and the lock of OUT."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from acseg.output.lock import locked

Photos = Callable[..., Path]


@pytest.fixture
def folder(photos: Photos, tmp_path: Path) -> Path:
    return photos(tmp_path / "photos", ["a.png", "b.jpg", "sub/c.png"])


def acseg(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command line in this process; give its status, stdout and stderr."""
    from acseg import cli

    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        cli.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return int(left.value.code or 0), captured.out, captured.err


@pytest.mark.parametrize("command", ["segment", "predict"])
def test_json_is_one_object_and_failures_are_status_1(
    capsys: pytest.CaptureFixture[str], tiny_run: Path, folder: Path, tmp_path: Path, command: str
) -> None:
    out = tmp_path / "out"
    inputs = [folder, "-o", out, "--json", "--device", "cpu"]
    run = ["segment", *inputs, "--model", tiny_run]
    if command == "predict":
        run = ["predict", tiny_run, *inputs]
    status, text, _ = acseg(capsys, *run)
    facts = json.loads(text)
    assert status == 0
    assert (facts["pictures"], facts["reused"], facts["failed"]) == (3, 0, [])
    assert facts["report"] == str(out / "index.html")
    if command == "predict":
        assert facts["classes"] == 3
    else:
        assert 1 <= facts["concepts"] <= 4
    (folder / "broken.jpg").write_bytes(b"x")
    status, text, _ = acseg(capsys, *run)
    facts = json.loads(text)
    assert status == 1
    assert (facts["pictures"], facts["reused"]) == (3, 3)
    assert [one["path"] for one in facts["failed"]] == ["broken.jpg"]
    assert facts["failed"][0]["error"].startswith("not a picture")


def test_the_same_command_again_says_what_was_done_before(
    capsys: pytest.CaptureFixture[str], tiny_run: Path, folder: Path, tmp_path: Path
) -> None:
    run = ["segment", folder, "-o", tmp_path / "out", "--model", tiny_run, "--device", "cpu"]
    assert "done before" not in acseg(capsys, *run)[1]
    status, text, _ = acseg(capsys, *run)
    assert status == 0
    assert text.splitlines()[0].endswith("; 3 were done before")
    assert "done before" not in acseg(capsys, *run, "--overwrite")[1]


def test_overlays_can_be_left_out(
    capsys: pytest.CaptureFixture[str], tiny_run: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = ["predict", tiny_run, folder, "-o", out, "--no-overlays", "--device", "cpu"]
    assert acseg(capsys, *run)[0] == 0
    assert (out / "labels" / "sub" / "c.png").is_file()
    assert not (out / "overlays").exists()
    assert (out / "index.html").is_file()


def test_a_folder_that_is_being_written_is_refused_with_status_2(
    tiny_run: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code = "import sys; from acseg.cli import main; main(sys.argv[1:])"
    arguments = ["predict", tiny_run, folder, "-o", out, "--device", "cpu"]
    with locked(out / ".acseg" / "lock"):
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 2
    assert f"acseg: {out} is being written by another acseg (process " in done.stderr
    assert done.stderr.count("\n") == 1


def test_granularity_divides_coarser_and_finer(
    capsys: pytest.CaptureFixture[str], tiny_run: Path, folder: Path, tmp_path: Path
) -> None:
    def concepts(*options: object) -> float:
        run = ["segment", folder, "-o", tmp_path / "out", "--model", tiny_run, "--device", "cpu"]
        status, text, _ = acseg(capsys, *run, "--json", *options)
        assert status == 0
        return float(json.loads(text)["concepts"])

    plain = concepts()
    assert concepts("--granularity", 0.5) == plain
    assert concepts("--granularity", 0) == 1 <= plain <= concepts("--granularity", 1)
    status, _, error = acseg(capsys, "segment", folder, "-o", tmp_path, "--granularity", "-1")
    assert status == 2
    assert "granularity" in error
