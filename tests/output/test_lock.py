import errno
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acseg.errors import DataError
from acseg.output import lock
from acseg.output.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from acseg.output.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_call_is_refused_and_after_the_first_the_next_is_not(tmp_path: Path) -> None:
    path = tmp_path / "out" / ".acseg" / "lock"
    with locked(path) as killed:
        assert not killed
        words = rf"out is being written by another acseg \(process {os.getpid()} on .*\); wait"
        with pytest.raises(DataError, match=words), locked(path):
            raise AssertionError
    assert path.read_bytes() == b""
    with locked(path) as killed:
        assert not killed


def test_an_error_inside_gives_the_lock_back(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "lock"):
        _ = 1 / 0
    with locked(tmp_path / "lock") as killed:
        assert not killed


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_the_lock_of_a_killed_process_is_gone_and_that_is_known(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(DataError, match=f"process {holder.pid} on"), locked(path):
        raise AssertionError
    holder.kill()
    holder.wait()
    with locked(path) as killed:
        assert killed
    holder.stdout.close()


def test_without_locks_it_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(self: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(lock.FileLock, "acquire", none)
    with caplog.at_level(logging.WARNING, "acseg"), locked(tmp_path / "lock") as killed:
        assert not killed
    assert "no locks here" in caplog.text


def test_other_faults_are_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(lock.FileLock, "acquire", fail)
    with pytest.raises(OSError, match="the disk is broken"), locked(tmp_path / "lock"):
        raise AssertionError


def test_a_holder_that_cannot_be_read_is_not_named(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path):
        path.write_text("x")
        with pytest.raises(DataError, match="another acseg; wait"), locked(path):
            raise AssertionError


def test_many_processes_and_only_one_inside(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from acseg.errors import DataError
from acseg.output import lock
from acseg.output.lock import locked
path, inside = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(40):
    try:
        with locked(path):
            inside.mkdir()   # fails where another is inside
            inside.rmdir()
            path.unlink()
    except DataError:
        time.sleep(0.001)
"""
    arguments = [sys.executable, "-c", code, str(tmp_path / "lock"), str(tmp_path / "inside")]
    started = time.monotonic()
    runs = [subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for run in runs:
        _, errors = run.communicate(timeout=60)
        assert (run.returncode, errors) == (0, "")
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("name", ["out/.acseg/lock", "out/.acseg"])
def test_a_lock_that_is_a_link_is_refused_and_nothing_behind_it_changes(
    tmp_path: Path, name: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "lock").write_text("precious")
    link = tmp_path / name
    link.parent.mkdir(parents=True)
    link.symlink_to(other if link.name == ".acseg" else other / "lock")
    path = tmp_path / "out" / ".acseg" / "lock"
    with pytest.raises(DataError, match="symbolic link"), locked(path):
        raise AssertionError
    assert (other / "lock").read_text() == "precious"


def test_a_file_that_is_no_lock_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "out" / ".acseg" / "lock"
    path.parent.mkdir(parents=True)
    (tmp_path / "thesis.txt").write_text("precious")
    os.link(tmp_path / "thesis.txt", path)
    with pytest.raises(DataError, match="not written by acseg"), locked(path):
        raise AssertionError
    assert (tmp_path / "thesis.txt").read_text() == "precious"
