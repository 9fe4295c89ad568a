"""The door of the application: what may be asked of it, by whom, how much, and what it answers."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
PLAIN = 100_000  # bytes of a request that is no picture
DROP = "/api/drop"


class Refused(Exception):  # noqa: N818 - an answer, not an error of the program
    """A request that is answered with a status and a reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Guard:
    """Stands before an ASGI application.

    Parameters
    ----------
    app : ASGI application
    token : str
        What a request that changes something must carry, as ``X-Acseg-Token``; only the page
        knows it, so no other page can post.
    most : int
        Bytes of a picture.
    hosts : set of str or None
        Names under which it may be asked for, so that no other page can reach it under a name of
        its own (DNS rebinding). None for any.
    """

    def __init__(self, app: App, *, token: str, most: int, hosts: set[str] | None) -> None:
        self.app, self.token, self.most, self.hosts = app, token, most, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it with a reason."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                own = [(n.encode(), v.encode()) for n, v in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *own]
            await send(message)

        try:
            if scope["type"] != "http":
                raise Refused(404, "not here")
            self._check(scope)
            await self.app(scope, receive, with_headers)
        except Refused as refusal:
            if not started:
                await _answer(send, refusal.status, str(refusal))

    def _check(self, scope: Scope) -> None:
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        host = headers.get("host", "")
        if self.hosts is not None and _name(f"//{host}") not in self.hosts:
            raise Refused(403, "asked for under a name that is not its own")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Refused(403, "asked for by another page")
        if scope["method"] in ("GET", "HEAD"):
            return
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Refused(403, "asked for by another page")
        if not hmac.compare_digest(
            headers.get("x-acseg-token", "").encode("latin-1"), self.token.encode()
        ):
            raise Refused(403, "this page is of an earlier start; load it again")
        most = self.most if scope["path"] == DROP else PLAIN
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > most:
            raise Refused(413, f"more than the {most / 1e6:g} MB allowed here")


async def read_body(receive: Receive, most: int, seconds: float) -> bytes:
    """Read the whole of a request, up to a size and within a time.

    Raises
    ------
    Refused
        If it is larger, slower or broken off.
    """
    until = time.monotonic() + seconds
    body = bytearray()
    more = True
    while more:
        try:
            message = await asyncio.wait_for(receive(), max(0.0, until - time.monotonic()))
        except TimeoutError:
            raise Refused(408, f"not sent within {seconds:g} seconds") from None
        if message["type"] == "http.disconnect":
            raise Refused(400, "broken off")
        body += message.get("body", b"")
        if len(body) > most:
            raise Refused(413, f"more than the {most / 1e6:g} MB allowed here")
        more = message.get("more_body", False)
    return bytes(body)


def _name(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").casefold()
    except ValueError:
        return ""


async def _answer(send: Send, status: int, reason: str) -> None:
    text = reason.encode()
    headers = [(n.encode(), v.encode()) for n, v in HEADERS.items()]
    headers += [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    headers += [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
