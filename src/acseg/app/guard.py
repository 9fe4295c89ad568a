"""The door of the application: what may be asked of it, by whom, how much, and what it answers.

Gradio serves files that its components make, fetches addresses that it is given, and copies files
that a request names. Nothing of that is used here, so nothing of it is let through: pictures come
in by one route of our own and stay in memory, and all that is shown lies in the page itself.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from acseg.app.limits import Limits

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

READ = ("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt")
READ_BELOW = ("/assets/", "/static/", "/acseg/", "/gradio_api/heartbeat/")
READ_API = ("/gradio_api/queue/data", "/gradio_api/theme.css", "/gradio_api/startup-events")
JOIN = "/gradio_api/queue/join"
DROP = "/acseg/drop"
WRITE = (JOIN, DROP, "/gradio_api/reset", "/gradio_api/cancel")
MOST = 100_000  # bytes of a request that is not a picture

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "script-src-attr 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class _Refused(Exception):  # noqa: N818 - never leaves this file
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Guard:
    """Stands before an ASGI application.

    Parameters
    ----------
    app : ASGI application
    limits : Limits
    hosts : set of str or None
        Names under which it may be asked for, so that no other page can reach it under a name of
        its own (DNS rebinding). None for any.
    """

    def __init__(self, app: App, *, limits: Limits, hosts: set[str] | None) -> None:
        self.app, self.limits, self.hosts = app, limits, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it with a reason."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        try:
            if scope["type"] != "http":
                raise _Refused(404, "not here")
            self._check(scope)
            await self._pass(scope, receive, send)
        except _Refused as refusal:
            await _answer(send, refusal.status, str(refusal))

    def _check(self, scope: Scope) -> None:
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        host = headers.get("host", "")
        if self.hosts is not None and _name(f"//{host}") not in self.hosts:
            raise _Refused(403, "asked for under a name that is not its own")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise _Refused(403, "asked for by another page")
        if headers.get("sec-fetch-site") == "cross-site" and scope["method"] != "GET":
            raise _Refused(403, "asked for by another page")
        path, method = scope["path"], scope["method"]
        if ".." in path or "\\" in path or "\0" in path:
            raise _Refused(404, "not here")
        if method in ("GET", "HEAD"):
            allowed = path in READ + READ_API or path.startswith(READ_BELOW)
        else:
            allowed = method == "POST" and path in WRITE
        if not allowed:
            raise _Refused(404, "not here")
        most = self.limits.bytes if path == DROP else MOST
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > most:
            raise _Refused(413, f"more than the {most / 1e6:g} MB allowed here")

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            most = self.limits.bytes if scope["path"] == DROP else MOST
            body = await _body(receive, most, self.limits.seconds)
            if scope["path"] == JOIN and not plain_values(body):
                raise _Refused(403, "the controls of this page send plain values only")
            receive = _replay(body, receive)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(n.encode(), v.encode()) for n, v in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *own]
            await send(message)

        await self.app(scope, receive, with_headers)


def plain_values(body: bytes) -> bool:
    """Say whether a request to the queue holds only text, numbers, truth values and lists of them.

    Gradio takes certain objects for names of files to copy, or of addresses to fetch.
    """
    try:
        values = json.loads(body)["data"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    return isinstance(values, list) and all(_plain(value) for value in values)


def _plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(not isinstance(item, dict | list) for item in value)
    return not isinstance(value, dict)


def _name(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").casefold()
    except ValueError:
        return ""


async def _body(receive: Receive, most: int, seconds: float) -> bytes:
    """Read the whole of a request, up to a size and within a time."""
    until = time.monotonic() + seconds
    body = bytearray()
    more = True
    while more:
        try:
            message = await asyncio.wait_for(receive(), max(0.0, until - time.monotonic()))
        except TimeoutError:
            raise _Refused(408, f"not sent within {seconds:g} seconds") from None
        if message["type"] == "http.disconnect":
            raise _Refused(400, "broken off")
        body += message.get("body", b"")
        if len(body) > most:
            raise _Refused(413, f"more than the {most / 1e6:g} MB allowed here")
        more = message.get("more_body", False)
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read to whoever reads it next."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _answer(send: Send, status: int, reason: str) -> None:
    text = reason.encode()
    headers = [(n.encode(), v.encode()) for n, v in HEADERS.items()]
    headers += [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", str(len(text)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": text})
