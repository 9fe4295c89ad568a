"""acseg serve: where it listens, what it says, how it ends."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from acseg.app import server
from acseg.app.server import is_local, listen, open_browser
from acseg.cli import app as commands
from acseg.errors import DataError, ModelError
from tests.app.test_server import Client

Png = Callable[..., bytes]


def test_a_free_port_is_chosen_and_a_taken_one_named() -> None:
    with listen("127.0.0.1", None) as first, listen("127.0.0.1", None) as second:
        taken = first.getsockname()[1]
        assert taken != second.getsockname()[1]
        with pytest.raises(DataError, match=f"cannot listen at 127.0.0.1 port {taken}"):
            listen("127.0.0.1", taken)
    with pytest.raises(DataError, match=r"cannot listen at 203\.0\.113\.1"):
        listen("203.0.113.1", None)


def test_what_is_this_machine_only() -> None:
    assert all(is_local(h) for h in ("127.0.0.1", "127.9.9.9", "::1", "localhost"))
    assert not any(is_local(h) for h in ("0.0.0.0", "::", "192.168.1.2", "example.org"))


def test_a_browser_opens_only_where_there_is_a_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(server.webbrowser, "open", opened.append)
    monkeypatch.setattr(server.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert open_browser("http://127.0.0.1:1") is None
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    thread = open_browser("http://127.0.0.1:2")
    assert thread is not None
    thread.join(10)
    assert opened == ["http://127.0.0.1:2"]


OFFLINE = """
import sys
def watch(event, args):
    if event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
        if args[1][0] not in ("127.0.0.1", "::1"):
            print("WENT OUT", event, args[1:], flush=True)
    if event == "socket.getaddrinfo" and args[0] not in (None, "127.0.0.1", "localhost"):
        print("LOOKED UP", args, flush=True)
sys.addaudithook(watch)
from acseg.cli import main
main(sys.argv[1:])
"""


def test_the_command_says_its_address_stays_at_home_and_ends_with_ctrl_c(
    app_root: Path, png: Png, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", OFFLINE, "serve", str(app_root / "model"), "--device", "cpu"]
    command += ["--out", str(app_root / "out")]
    alone = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1", "DISPLAY": ""}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=alone
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("acseg is at http://127.0.0.1:"), line
        address = line.split()[3]
        client = Client(address)
        assert "picture" in client.drop(png())
        assert [p for p in tmp_path.rglob("*") if p.is_file() and p.stat().st_size] == []
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10):  # an open page
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert rest.splitlines() == ["ended"]
    finally:
        process.kill()


def test_wrong_usage_is_told_before_anything_opens(tmp_path: Path, app_root: Path) -> None:
    for arguments, error, words in (
        (["serve", str(tmp_path)], ModelError, "no model folder"),
        (["serve", str(app_root / "out")], ModelError, "output folder"),
        (["serve", str(app_root / "model"), "--out", str(tmp_path)], DataError, "no output folder"),
    ):
        with pytest.raises(error, match=words):
            CliRunner().invoke(commands, arguments, catch_exceptions=False)
    assert CliRunner().invoke(commands, ["serve", "--port", "0"]).exit_code == 2


def test_without_starlette_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == "starlette" else find(n, *a)
    )
    with pytest.raises(DataError, match=r"pip install 'acseg\[app\]'"):
        CliRunner().invoke(commands, ["serve"], catch_exceptions=False)
