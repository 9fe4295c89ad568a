import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from acseg.app.guard import DROP, HEADERS, JOIN, MOST, Guard, plain_values
from acseg.app.limits import Limits

LIMITS = Limits(megabytes=0.2, seconds=0.2)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """An application that gives back what it was sent."""
    body, more = b"", True
    while more and scope["method"] == "POST":
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def ask(
    path: str,
    method: str = "GET",
    *,
    body: Sequence[bytes] = (b"",),
    headers: dict[str, str] | None = None,
    hosts: set[str] | None = None,
    wait: float = 0,
    kind: str = "http",
) -> tuple[int, dict[str, str], bytes]:
    """Send a request through the guard: status, headers, body."""
    sent: list[Any] = []
    parts = list(body)
    given = {"host": "127.0.0.1:7860", **(headers or {})}

    async def receive() -> Any:
        await asyncio.sleep(wait)
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "headers": [(n.encode(), v.encode()) for n, v in given.items()],
    }
    guard = Guard(echo, limits=LIMITS, hosts=hosts or {"127.0.0.1", "localhost"})
    asyncio.run(guard(scope, receive, send))
    answer = {n.decode(): v.decode() for n, v in sent[0]["headers"]}
    return sent[0]["status"], answer, sent[1]["body"]


def test_what_the_page_needs_passes_with_safe_headers() -> None:
    for path in (
        "/",
        "/config",
        "/assets/index.js",
        "/gradio_api/queue/data",
        "/acseg/w/labels.png",
    ):
        status, headers, _ = ask(path)
        assert status == 200, path
        assert HEADERS.items() <= headers.items()
    assert ask(DROP, "POST", body=[b"one", b"two"])[2] == b"onetwo"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/gradio_api/file=../../etc/passwd"),
        ("GET", "/gradio_api/file=http://127.0.0.1:22/"),
        ("GET", "/gradio_api/file/etc/passwd"),
        ("GET", "/file=/etc/passwd"),
        ("GET", "/gradio_api/proxy=http://127.0.0.1/"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/stream/a/b/c/playlist.m3u8"),
        ("GET", "/monitoring"),
        ("GET", "/docs"),
        ("GET", "/assets/../../../etc/passwd"),
        ("GET", "/static/..\\..\\secret"),
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/call/show"),
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/login"),
        ("POST", "/"),
        ("PUT", DROP),
        ("DELETE", "/"),
    ],
)
def test_all_else_is_not_there(method: str, path: str) -> None:
    assert ask(path, method)[0] == 404


def test_other_pages_and_other_names_are_refused() -> None:
    assert ask("/", headers={"host": "evil.example"})[0] == 403
    assert ask("/", headers={"host": "127.0.0.1.evil.example:7860"})[0] == 403
    assert ask("/", headers={"host": "[::1"})[0] == 403
    assert ask("/", headers={"host": "LOCALHOST:7860"})[0] == 200
    same = {"origin": "http://127.0.0.1:7860"}
    assert ask(DROP, "POST", headers=same)[0] == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999"):
        assert ask(DROP, "POST", headers={"origin": origin})[0] == 403
    assert ask(JOIN, "POST", headers={"sec-fetch-site": "cross-site"})[0] == 403


def test_too_much_is_refused_whether_announced_or_not() -> None:
    assert ask(DROP, "POST", headers={"content-length": "200001"})[0] == 413
    assert ask(DROP, "POST", body=[b"x" * 150_000, b"x" * 50_001])[0] == 413
    assert ask(DROP, "POST", body=[b"x" * 200_000])[0] == 200
    assert ask(JOIN, "POST", body=[b"x" * (MOST + 1)])[0] == 413
    assert ask(DROP, "POST", headers={"content-length": "-1"})[0] == 413


def test_too_slow_is_refused() -> None:
    status, _, reason = ask(DROP, "POST", body=[b"x"] * 50, wait=0.05)
    assert status == 408
    assert b"0.2 seconds" in reason


def test_no_web_sockets() -> None:
    assert ask("/", kind="websocket")[0] == 404


def test_the_queue_takes_plain_values_only() -> None:
    def body(*values: Any) -> bytes:
        return json.dumps({"data": values, "event_data": {"word": "w"}}).encode()

    file = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    assert plain_values(body("a", 1, 0.5, None, True, ["x", 2]))
    assert plain_values(body())
    for value in (file, [file], [[file]], {}):
        assert not plain_values(body(value))
    for broken in (b"", b"[]", b'{"data": {"a": 1}}', b"{", b"[" * 100_000, b"\xff"):
        assert not plain_values(broken)
    assert ask(JOIN, "POST", body=[body(file)])[0] == 403
    assert ask(JOIN, "POST", body=[body("a")])[2] == body("a")
