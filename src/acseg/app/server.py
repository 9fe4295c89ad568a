"""Serving the page: on the local address, from memory, until Ctrl-C."""

import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote, unquote

from acseg.app.browse import Folder
from acseg.app.desk import Desk
from acseg.app.dropped import Shelf
from acseg.app.explore import Explorer, find_choices
from acseg.app.guard import DROP, Guard
from acseg.app.limits import Limits
from acseg.errors import AcsegError, DataError

FIRST_PORT = 7860  # and the 99 after it, then whatever is free


def serve(
    runs: Sequence[Path],
    outs: Sequence[Path] = (),
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    may_write: bool | None = None,
    limits: Limits | None = None,
    device: str = "auto",
    precision: str = "auto",
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve the application until it is interrupted.

    Parameters
    ----------
    runs : sequence of Path
        The RUNs to choose from; none is the bundled model.
    outs : sequence of Path
        Folders that `predict` or `segment` wrote, to be looked through.
    host : str
        Address to listen at. The default lets only this machine in.
    port : int, optional
        Default: the first that is free from 7860 on.
    may_write : bool, optional
        Whether visitors may write names to a RUN. Default: only on this machine.
    limits : Limits, optional
    device, precision : str
        As `acseg.ACSeg` takes them.
    ready : callable
        Told the address once it is open.

    Raises
    ------
    RunError, DataError, BackboneError
        If a folder is not what it should be, or the port is taken.
    """
    limits = limits or Limits()
    explorer = Explorer(find_choices(runs), limits=limits, device=device, precision=precision)
    folders = [Folder(out) for out in outs]
    listening = listen(host, port)
    try:
        explorer.start(0)
        local = is_local(host)
        write = local if may_write is None else may_write
        desk = Desk(explorer, Shelf(limits), folders, may_write=write)
        number = listening.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        hosts = {host.casefold(), "localhost", "127.0.0.1", "::1"} if local else None
        _run(desk, listening, hosts=hosts, ready=lambda: ready(f"http://{name}:{number}"))
    finally:
        listening.close()


def listen(host: str, port: int | None) -> socket.socket:
    """Take a port, so that nobody else can between choosing and using it.

    Raises
    ------
    DataError
        If the port is taken, or there is no such address on this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ports = [*range(FIRST_PORT, FIRST_PORT + 100), 0] if port is None else [port]
    for number in ports:
        one = socket.socket(family, socket.SOCK_STREAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, number))
            one.listen(64)
            return one
        except (OSError, OverflowError) as error:
            one.close()
            reason = str(getattr(error, "strerror", None) or error)
            if getattr(error, "errno", None) != errno.EADDRINUSE:
                break
    raise DataError(
        f"cannot listen at {host} port {ports[0]}: {reason}; "
        "leave --port away for a free one, and --host for this machine"
    )


def is_local(host: str) -> bool:
    """Say whether an address lets only this machine in."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def application(desk: Desk, *, hosts: set[str] | None) -> Guard:
    """Build the ASGI application: Gradio's page and our routes behind the guard."""
    import fastapi
    import gradio
    from fastapi.responses import JSONResponse, PlainTextResponse, Response

    from acseg.app import page as pages
    from acseg.app.parts import asset

    limits = desk.explorer.limits
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.post(DROP)
    async def drop(request: fastapi.Request) -> Response:
        name = unquote(request.headers.get("x-name", ""))
        data = await request.body()
        if not data:
            return PlainTextResponse("the file is empty", status_code=422)
        return JSONResponse({"word": desk.shelf.put(name, data)})

    @app.get("/acseg/{word}/{file}")
    def download(word: str, file: str) -> Response:
        try:
            found = desk.download(word, file)
        except AcsegError as error:
            return PlainTextResponse(str(error), status_code=422)
        if found is None:
            return PlainTextResponse("not, or no longer, held here", status_code=404)
        content, media, name = found
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "Cache-Control": "no-store",
        }
        return Response(content, media_type=media, headers=headers)

    page = pages.build(desk)
    page.queue(max_size=32, default_concurrency_limit=1, api_open=False)
    gradio.mount_gradio_app(
        app,
        page,
        path="/",
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        max_file_size=0,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=pages.theme(),
        css=asset("app.css"),
    )
    return Guard(app, limits=limits, hosts=hosts)


def _run(
    desk: Desk, listening: socket.socket, *, hosts: set[str] | None, ready: Callable[[], None]
) -> None:
    import uvicorn

    before = os.environ.get("GRADIO_TEMP_DIR")
    private = tempfile.mkdtemp(prefix="acseg-")  # stays empty: nothing that is dropped is written
    os.environ["GRADIO_TEMP_DIR"] = private
    try:
        config = uvicorn.Config(
            application(desk, hosts=hosts),
            log_level="warning",
            timeout_keep_alive=10,
            timeout_graceful_shutdown=2,  # open pages keep a connection
            server_header=False,
            ws="none",
        )
        ready()  # it listens already; who comes now waits a moment
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # Ctrl-C is how it ends
    finally:
        shutil.rmtree(private, ignore_errors=True)
        if before is None:
            os.environ.pop("GRADIO_TEMP_DIR", None)
        else:
            os.environ["GRADIO_TEMP_DIR"] = before
