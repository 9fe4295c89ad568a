"""The addresses of the application."""

import json
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from anyio import CapacityLimiter, Semaphore, to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from acseg.app.application import Application
from acseg.app.guard import PLAIN, Guard, Refused, read_body
from acseg.app.store import Held, Visitor
from acseg.errors import AcsegError, DataError
from acseg.report.page import live_page, script, style
from acseg.report.thumbnails import jpeg_bytes, photograph_thumbnail
from acseg.untrusted import parse_json

Handler = Callable[[Request], Awaitable[Response]]

UPLOADS = 6  # pictures that are received at once
DRAWING, READING = 2, 6  # threads that draw, and that read what is there


def asgi(application: Application, *, hosts: set[str] | None, title: str = "acseg") -> Guard:
    """Build the ASGI application.

    Parameters
    ----------
    application : Application
    hosts : set of str or None
        Names under which it may be asked for; None for any.
    title : str
    """
    token, cookie = secrets.token_urlsafe(24), "acseg-" + secrets.token_hex(4)
    uploads = Semaphore(UPLOADS)
    drawing, reading = CapacityLimiter(DRAWING), CapacityLimiter(READING)
    page = live_page(title, token)

    def visitor(request: Request) -> Visitor:
        key = request.cookies.get(cookie, "")
        if len(key) < 32:
            raise DataError("load the page again; it needs its cookie")
        return application.store.visitor(key[:64])

    async def start(request: Request) -> Response:
        answer = Response(page, media_type="text/html", headers={"Cache-Control": "no-store"})
        if cookie not in request.cookies:
            answer.set_cookie(cookie, secrets.token_urlsafe(32), httponly=True, samesite="strict")
        return answer

    async def part(request: Request) -> Response:
        text, media = {
            "/page.js": (script(live=True), "text/javascript"),
            "/page.css": (style(live=True), "text/css"),
        }[request.url.path]
        return Response(text, media_type=media, headers={"Cache-Control": "no-cache"})

    async def drawn(own: Visitor, take: Callable[[], Held]) -> Response:
        """Take a picture in and draw it; one that cannot be is an answer, not an error."""
        try:
            held = await _run(reading, take)
            return JSONResponse({"picture": await _run(drawing, application.draw, own, held)})
        except AcsegError as error:
            return JSONResponse({"reason": str(error)})

    async def state(request: Request) -> Response:
        given = request.query_params.get("folder", "")
        folder = int(given) if given.isdigit() else None
        return JSONResponse(await _run(reading, application.state, visitor(request), folder))

    async def drop(request: Request) -> Response:
        own, name = visitor(request), unquote(request.headers.get("x-name", ""))
        limits = application.limits
        async with uploads:  # what waits here is not in memory yet
            data = await read_body(request.receive, limits.bytes, limits.seconds)
            held = partial(application.drop, own, name, data)
            return await drawn(own, held)

    async def sample(request: Request) -> Response:
        path = _one(application.samples, request.path_params["number"])
        if request.method == "GET":
            made = await _run(reading, lambda: jpeg_bytes(photograph_thumbnail(path, 160), 80))
            return Response(made, media_type="image/jpeg")
        own = visitor(request)
        return await drawn(own, lambda: application.drop(own, path.name, path.read_bytes()))

    async def draw(request: Request) -> Response:
        own, asked = visitor(request), await _json(request)
        return await drawn(own, lambda: application.store.get(own, str(asked.get("word"))))

    async def choose(request: Request) -> Response:
        asked = await _json(request)
        application.choose(visitor(request), asked.get("model"), asked.get("kind"))
        return JSONResponse({})

    async def forget(request: Request) -> Response:
        asked = await _json(request)
        word = asked.get("word")
        application.store.remove(visitor(request), None if word is None else str(word))
        return JSONResponse({})

    async def edit(request: Request) -> Response:
        failed = await _run(drawing, application.edit, await _json(request))
        return JSONResponse({"failed": failed})

    async def picture(request: Request) -> Response:
        file, word = request.path_params["file"], request.path_params["word"]
        given = request.query_params.get("granularity")
        granularity = None if given is None else _number(given)
        limiter = reading if file.endswith("small.jpg") or file == "large.jpg" else drawing
        made = await _run(limiter, application.file, visitor(request), word, file, granularity)
        return _file(*made)

    async def folder(request: Request) -> Response:
        found = application.folder(request.path_params["place"])
        path = request.query_params.get("path", "")
        return _file(*await _run(reading, found.file, request.path_params["file"], path))

    def at(path: str, call: Handler, *methods: str) -> Route:
        return Route(path, _told(call), methods=list(methods) or ["GET"])

    app = Starlette(
        routes=[
            at("/", start),
            at("/page.js", part),
            at("/page.css", part),
            at("/api/state", state),
            at("/api/drop", drop, "POST"),
            at("/api/sample/{number:int}", sample, "GET", "POST"),
            at("/api/draw", draw, "POST"),
            at("/api/choose", choose, "POST"),
            at("/api/forget", forget, "POST"),
            at("/api/edit", edit, "POST"),
            at("/api/picture/{word}/{file}", picture),
            at("/api/folder/{place:int}/{file}", folder),
        ]
    )
    app.router.redirect_slashes = False
    return Guard(app, token=token, most=application.limits.bytes, hosts=hosts)


def _told(call: Handler) -> Handler:
    """Answer errors that people can do something about with their text."""

    async def answer(request: Request) -> Response:
        try:
            return await call(request)
        except Refused as refusal:
            return PlainTextResponse(str(refusal), status_code=refusal.status)
        except (AcsegError, ValueError) as error:
            return PlainTextResponse(str(error), status_code=422)
        except OSError as error:  # its text would name a path of this machine
            return PlainTextResponse(error.strerror or "cannot be read", status_code=422)

    return answer


async def _run(limiter: CapacityLimiter, call: Callable[..., Any], *given: Any) -> Any:
    return await to_thread.run_sync(partial(call, *given), limiter=limiter)


async def _json(request: Request) -> dict[str, Any]:
    asked = parse_json((await read_body(request.receive, PLAIN, 10)).decode("utf-8"))
    if not isinstance(asked, dict):
        raise DataError("expected an object")
    return asked


def _file(content: bytes | dict[str, Any], media: str, name: str) -> Response:
    headers = {"Cache-Control": "private, max-age=3600" if not name else "no-store"}
    if media == "application/json" and not name:
        headers["Cache-Control"] = "no-store"
    if name:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    body = content if isinstance(content, bytes) else json.dumps(content).encode("utf-8")
    return Response(body, media_type=media, headers=headers)


def _one(items: list[Any], number: int) -> Any:
    if not 0 <= number < len(items):
        raise DataError("there is no such sample")
    return items[number]


def _number(text: str) -> float:
    value = float(text)
    if value != value:
        raise ValueError(f"{text!r} is no number")
    return value
