"""Serving the page: on the local address, from memory, until Ctrl-C."""

import errno
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from acseg.app.application import Application
from acseg.app.folders import Folder
from acseg.app.limits import Budget, Limits
from acseg.app.models import Served
from acseg.app.routes import asgi
from acseg.demo import sample_photographs
from acseg.errors import DataError

FIRST_PORT = 7860  # and the 99 after it, then whatever is free


def serve(
    models: Sequence[str] = (),
    outs: Sequence[Path] = (),
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    device: str = "auto",
    limits: Limits | None = None,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve the application until it is interrupted.

    Parameters
    ----------
    models : sequence of str
        Model folders, or names of backbones; none is "auto".
    outs : sequence of Path
        Output folders to look through.
    host : str
        Address to listen at. The default lets only this machine in; elsewhere nobody may change
        names.
    port : int, optional
        Default: the first that is free from 7860 on.
    device : str
    limits : Limits, optional
    ready : callable
        Told the address once it is open.

    Raises
    ------
    ModelError, DataError
        If a folder is not what it should be, or the port is taken.
    """
    import uvicorn

    application = prepare(models, outs, device=device, limits=limits, may_write=is_local(host))
    with listen(host, port) as listening:
        hosts = {host.casefold(), "localhost", "127.0.0.1", "::1"} if is_local(host) else None
        config = uvicorn.Config(
            asgi(application, hosts=hosts),
            log_level="warning",
            timeout_keep_alive=10,
            timeout_graceful_shutdown=2,  # open pages keep a connection
            server_header=False,
            ws="none",
            limit_concurrency=400,
        )
        name = f"[{host}]" if ":" in host else host
        ready(f"http://{name}:{listening.getsockname()[1]}")  # who comes now waits a moment
        warm = threading.Thread(target=application.models[0].warm, daemon=True)
        warm.start()  # so that the first picture need not wait for the weights
        with suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
            uvicorn.Server(config).run(sockets=[listening])
        application.close()


def prepare(
    models: Sequence[str] = (),
    outs: Sequence[Path] = (),
    *,
    device: str = "auto",
    limits: Limits | None = None,
    may_write: bool = True,
) -> Application:
    """Check what is to be served; errors as of `serve`."""
    limits = limits or Limits()
    budget = Budget(limits.memory)
    served = [Served(str(name), device, limits, budget) for name in models or ["auto"]]
    folders = [Folder(place, path, limits, budget) for place, path in enumerate(outs)]
    try:
        samples = sample_photographs()
    except DataError:
        samples = []
    return Application(served, folders, samples, limits=limits, budget=budget, may_write=may_write)


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


def has_desktop() -> bool:
    """Say whether somebody sits at this machine who would see a browser."""
    if sys.platform in ("win32", "darwin"):
        return not os.environ.get("SSH_CONNECTION")
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_browser(address: str) -> threading.Thread | None:
    """Open the page where there is a desktop, in a thread; None where there is none."""
    if not has_desktop():
        return None
    thread = threading.Thread(target=webbrowser.open, args=(address,), daemon=True)
    thread.start()
    return thread
