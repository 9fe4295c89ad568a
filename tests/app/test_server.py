"""The application as it is served, asked by a client that keeps no rules."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from typer.testing import CliRunner

from acseg.app.server import is_local, listen
from acseg.cli import app as commands
from acseg.errors import DataError
from acseg.output.label_png import read_labels

Png = Callable[..., bytes]


def ask(
    site: Any, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes, dict[str, str]]:
    """Send a path as it is, dots and all."""
    host = site.address.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=60)
    try:
        connection.request(
            "GET" if body is None else "POST", path, body=body, headers=headers or {}
        )
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def test_the_page_names_nothing_of_this_machine_or_the_network(site: Any) -> None:
    status, page, headers = ask(site, "/")
    assert status == 200
    assert "default-src 'self'" in headers["content-security-policy"]
    text = page.decode()
    for private in (str(site.root), tempfile.gettempdir() + "/", os.path.expanduser("~")):
        assert private == "/" or private not in text
    assert "fonts.googleapis" not in text + ask(site, "/theme.css")[1].decode()
    assert "fonts.googleapis" not in ask(site, "/config")[1].decode()


def test_nothing_but_the_page_is_served(site: Any) -> None:
    secret, out = site.root / "secret.txt", site.root / "out"
    targets = [str(secret), str(out / "segments.jsonl"), str(out / "labels/a.png"), "/etc/passwd",
               "../../../../../../etc/passwd", "http://127.0.0.1:1/", "pyproject.toml"]  # fmt: skip
    doors = ["/gradio_api/file=", "/file=", "/gradio_api/file/", "/static/", "/assets/",
             "/gradio_api/proxy=", "/acseg/", "/acseg/x/", "/svelte/", "/"]  # fmt: skip
    for door in doors:
        for target in targets:
            for path in (door + target, door + quote(target), door + quote(target, safe="")):
                path = path.replace("//", "/", 1) if path.startswith("//") else path
                status, content, _ = ask(site, path)
                assert status in (403, 404, 422), path
                assert b"secret" not in content
                assert b"root:" not in content


def test_files_of_gradio_and_of_other_visitors_are_not_served(site: Any, png: Png) -> None:
    private = os.environ.get("GRADIO_TEMP_DIR") or str(Path(tempfile.gettempdir()) / "gradio")
    Path(private).mkdir(parents=True, exist_ok=True)
    other = Path(private) / "acseg-test-other-visitor.png"
    other.write_bytes(png())
    try:
        assert ask(site, f"/gradio_api/file={other}")[0] == 404
        form = {"content-type": "multipart/form-data; boundary=x"}
        assert ask(site, "/gradio_api/upload", body=b"--x--", headers=form)[0] == 404
    finally:
        other.unlink()


def test_what_is_dropped_is_found_under_its_word_only(site: Any, png: Png) -> None:
    status, answer, _ = ask(site, "/acseg/drop", body=png(), headers={"X-Name": "a%20b.png"})
    assert status == 200
    word = json.loads(answer)["word"]
    held = site.desk.shelf.get(word)
    assert held.name == "a b.png"
    assert ask(site, f"/acseg/{word}/labels.png")[0] == 404  # not drawn yet
    site.desk.show(word, site.desk.explorer.start(0), {})
    status, content, headers = ask(site, f"/acseg/{word}/labels.png")
    assert status == 200
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''a%20b.labels.png"
    assert headers["cache-control"] == "no-store"
    assert content.startswith(b"\x89PNG")
    for wrong in (word[:-1], word.upper(), "%00", "..", "x"):
        assert ask(site, f"/acseg/{wrong}/labels.png")[0] == 404
    for file in ("", "other", "../labels.png", "labels.png/x"):
        assert ask(site, f"/acseg/{word}/{file}")[0] == 404


def test_a_name_cannot_split_the_headers(site: Any, png: Png) -> None:
    name = quote('a"\r\nSet-Cookie: b=1\r\n\r\n<x>.png')
    word = json.loads(ask(site, "/acseg/drop", body=png(), headers={"X-Name": name})[1])["word"]
    site.desk.show(word, site.desk.explorer.start(0), {})
    status, _, headers = ask(site, f"/acseg/{word}/overlay.jpg")
    assert status == 200
    assert "set-cookie" not in {h.casefold() for h in headers}
    assert "%22%250D%250ASet-Cookie" in headers["content-disposition"]


def test_what_is_too_large_or_empty_is_refused(site: Any) -> None:
    assert ask(site, "/acseg/drop", body=b"x" * 200_001)[0] == 413
    assert ask(site, "/acseg/drop", body=b"")[0] == 422


def test_requests_that_name_files_do_not_reach_gradio(site: Any) -> None:
    evil = {"path": str(site.root / "secret.txt"), "meta": {"_type": "gradio.FileData"}}
    for value in (evil, [evil], {"path": "http://127.0.0.1:1/x", "meta": evil["meta"]}):
        call = {"data": [value] * 8, "fn_index": 0, "session_hash": "abc", "event_data": None}
        body = json.dumps(call).encode()
        kind = {"content-type": "application/json"}
        assert ask(site, "/gradio_api/queue/join", body=body, headers=kind)[0] == 403


def test_other_names_and_origins_are_refused(site: Any) -> None:
    assert ask(site, "/", headers={"Host": "evil.example"})[0] == 403
    origin = {"Origin": "http://evil.example"}
    assert ask(site, "/acseg/drop", body=b"x", headers=origin)[0] == 403


def test_a_free_port_is_chosen_and_a_taken_one_named() -> None:
    with listen("127.0.0.1", None) as first, listen("127.0.0.1", None) as second:
        taken = first.getsockname()[1]
        assert taken != second.getsockname()[1]
        with pytest.raises(DataError, match=f"cannot listen at 127.0.0.1 port {taken}"):
            listen("127.0.0.1", taken)
    with pytest.raises(DataError, match=r"cannot listen at 203\.0\.113\.1"):
        listen("203.0.113.1", None)
    with pytest.raises(DataError, match=r"cannot listen at no\.such\.host\.invalid"):
        listen("no.such.host.invalid", None)


def test_what_is_this_machine_only() -> None:
    assert all(is_local(h) for h in ("127.0.0.1", "127.9.9.9", "::1", "localhost"))
    assert not any(is_local(h) for h in ("0.0.0.0", "::", "192.168.1.2", "example.org"))


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
    command = [sys.executable, "-c", OFFLINE, "serve", str(app_root / "run"), "--device", "cpu"]
    command += ["--out", str(app_root / "out")]
    temporary = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=temporary
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("acseg is at http://127.0.0.1:"), line
        address = line.split()[3]
        host, port = address.removeprefix("http://").split(":")

        there = SimpleNamespace(address=address)
        assert ask(there, "/")[0] == 200
        word = json.loads(ask(there, "/acseg/drop", body=png())[1])["word"]
        assert len(word) >= 32
        assert [p for p in tmp_path.rglob("*") if p.is_file() and p.stat().st_size] == []
        with socket.create_connection((host, int(port)), timeout=10):  # an open page
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert rest.splitlines() == ["ended"]
        assert list(tmp_path.glob("acseg-*")) == []
    finally:
        process.kill()


def test_wrong_usage_is_told_before_anything_opens(tmp_path: Path, app_root: Path) -> None:
    for arguments, words in (
        (["serve", str(tmp_path)], "is no RUN"),
        (["serve", str(app_root / "run"), "--out", str(tmp_path)], "is no output folder"),
    ):
        with pytest.raises(Exception, match=words):
            CliRunner().invoke(commands, arguments, catch_exceptions=False)
    assert CliRunner().invoke(commands, ["serve", "--port", "0"]).exit_code == 2


def test_without_gradio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == "gradio" else find(n, *a)
    )
    with pytest.raises(DataError, match=r"pip install 'acseg\[app\]'"):
        CliRunner().invoke(commands, ["serve"], catch_exceptions=False)


def test_labels_of_a_download_are_those_of_the_command(
    site: Any, tmp_path: Path, png: Png, app_root: Path
) -> None:
    photo = tmp_path / "photos" / "a.png"
    photo.parent.mkdir()
    photo.write_bytes(png(4))
    arguments = [
        "predict",
        str(site.run),
        str(photo),
        "-o",
        str(tmp_path / "out"),
        "--device",
        "cpu",
    ]
    assert CliRunner().invoke(commands, [*arguments, "--precision", "float32"]).exit_code == 0
    word = json.loads(ask(site, "/acseg/drop", body=png(4))[1])["word"]
    site.desk.show(word, site.desk.explorer.start(0), {})
    (tmp_path / "labels.png").write_bytes(ask(site, f"/acseg/{word}/labels.png")[1])
    np.testing.assert_array_equal(
        read_labels(tmp_path / "labels.png"), read_labels(tmp_path / "out/labels/a.png")
    )
