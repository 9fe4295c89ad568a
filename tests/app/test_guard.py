import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from acseg.app.guard import DROP, HEADERS, PLAIN, Guard, read_body

MOST, SECONDS = 200_000, 0.2
OWN = {"x-acseg-token": "token"}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """An application that gives back what it was sent."""
    post = scope["method"] == "POST"
    body = await read_body(receive, MOST, SECONDS) if post else b""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def ask(
    path: str,
    method: str = "GET",
    *,
    body: Sequence[bytes] = (b"",),
    headers: dict[str, str] | None = None,
    wait: float = 0,
    kind: str = "http",
) -> tuple[int, dict[str, str], bytes]:
    """Send a request through the guard: status, headers, body."""
    sent: list[Any] = []
    parts = list(body)
    given = {"host": "127.0.0.1:7860", **(OWN if headers is None else headers)}

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
    guard = Guard(echo, token="token", most=MOST, hosts={"127.0.0.1", "localhost"})
    asyncio.run(guard(scope, receive, send))
    answer = {n.decode(): v.decode() for n, v in sent[0]["headers"]}
    return sent[0]["status"], answer, sent[1]["body"]


def test_what_the_page_asks_for_passes_with_safe_headers() -> None:
    status, headers, _ = ask("/", headers={})
    assert status == 200
    assert HEADERS.items() <= headers.items()
    policy = headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert ask(DROP, "POST", body=[b"one", b"two"])[2] == b"onetwo"


def test_other_names_are_refused() -> None:
    for host in ("evil.example", "127.0.0.1.evil.example:7860", "[::1", ""):
        status, headers, _ = ask("/", headers={"host": host})
        assert status == 403
        assert HEADERS.items() <= headers.items()
    assert ask("/", headers={"host": "LOCALHOST:7860"})[0] == 200


def test_other_pages_are_refused() -> None:
    same = {**OWN, "origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}
    assert ask(DROP, "POST", headers=same)[0] == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999"):
        assert ask(DROP, "POST", headers={**OWN, "origin": origin})[0] == 403
        assert ask("/api/state", headers={"origin": origin})[0] == 403
    for site in ("cross-site", "same-site"):
        assert ask(DROP, "POST", headers={**OWN, "sec-fetch-site": site})[0] == 403


@pytest.mark.parametrize("token", ["", "x", "token ", "tok\u00ebn"])
def test_a_post_without_the_token_of_this_start_is_refused(token: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert ask("/api/edit", method, headers={"x-acseg-token": token})[0] == 403
    assert ask("/api/edit", "POST", headers={})[0] == 403


def test_too_much_is_refused_whether_announced_or_not() -> None:
    for length in ("200001", "-1", "x"):
        assert ask(DROP, "POST", headers={**OWN, "content-length": length})[0] == 413
    assert ask(DROP, "POST", body=[b"x" * 150_000, b"x" * 50_001])[0] == 413
    assert ask(DROP, "POST", body=[b"x" * 200_000])[0] == 200
    assert ask("/api/edit", "POST", headers={**OWN, "content-length": str(PLAIN + 1)})[0] == 413


def test_too_slow_is_refused() -> None:
    status, _, reason = ask(DROP, "POST", body=[b"x"] * 50, wait=0.05)
    assert status == 408
    assert b"0.2 seconds" in reason


def test_no_web_sockets() -> None:
    assert ask("/", kind="websocket")[0] == 404
