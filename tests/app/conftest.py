"""An application of two small RUNs and an output folder, with and without a server."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acseg.app.limits import Limits

EVIL = "<img src=x onerror=\"document.title='caught'\">${1+1}{{x}}&amp;.png"
LIMITS = Limits(megabytes=0.2, megapixels=0.05, seconds=5, held=4)


@pytest.fixture(scope="session")
def app_root(
    tmp_path_factory: pytest.TempPathFactory, tiny_run: Path, photos: Callable[..., Path]
) -> Path:
    """Make a folder with run/, wide/ (a RUN of more prototypes), photos/ and out/."""
    from acseg import ACSeg
    from acseg.collection import run_collection

    root = tmp_path_factory.mktemp("app")
    shutil.copytree(tiny_run, root / "run")
    folder = photos(root / "photos", ["a.png", "sub/b.png", f"sub/{EVIL}"])
    model = ACSeg.load(root / "run", device="cpu", precision="float32")
    run_collection(model, [folder], root / "out", kind="classes")
    settings = {n: v for n, v in _settings(tiny_run).items() if n != "concepts"}
    wide = ACSeg(device="cpu", precision="float32", concepts=7, **settings)
    wide.fit(folder, run=root / "wide")
    (root / "secret.txt").write_text("secret")
    return root


def _settings(run: Path) -> dict[str, Any]:
    from acseg.run import read_config
    from acseg.settings import settings_to_json

    return settings_to_json(read_config(run)[0])


@pytest.fixture
def runs(app_root: Path, tmp_path: Path) -> list[Path]:
    """Copies of the two RUNs, to be changed."""
    return [shutil.copytree(app_root / name, tmp_path / name) for name in ("run", "wide")]


@pytest.fixture(scope="session")
def evil() -> str:
    """A name with markup for every way in which it could be taken for some."""
    return EVIL


@pytest.fixture
def new_desk() -> Callable[..., Any]:
    """Make a desk of RUNs and output folders."""
    return make_desk


@pytest.fixture
def desk(runs: list[Path], app_root: Path) -> Any:
    """Make a desk of both RUNs and the output folder."""
    return make_desk(runs, [app_root / "out"])


def make_desk(runs: list[Path], outs: list[Path], *, may_write: bool = True) -> Any:
    from acseg.app.browse import Folder
    from acseg.app.desk import Desk
    from acseg.app.dropped import Shelf
    from acseg.app.explore import Explorer, find_choices

    explorer = Explorer(find_choices(runs), limits=LIMITS, device="cpu", precision="float32")
    return Desk(explorer, Shelf(LIMITS), [Folder(out) for out in outs], may_write=may_write)


@pytest.fixture
def png(photograph: Callable[..., np.ndarray]) -> Callable[..., bytes]:
    """Make the bytes of a picture."""
    import io

    from PIL import Image

    def make(seed: int = 0, size: tuple[int, int] = (60, 80)) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(photograph(seed, size)).save(stream, format="PNG")
        return stream.getvalue()

    return make


@dataclass
class Site:
    """A running application."""

    address: str
    root: Path
    run: Path
    desk: Any


@pytest.fixture(scope="module")
def site(app_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve the application from a thread of this process."""
    pytest.importorskip("gradio", reason="needs gradio; pip install 'acseg[app]'")
    import uvicorn

    from acseg.app.server import application, listen

    root = tmp_path_factory.mktemp("site")
    runs = [shutil.copytree(app_root / name, root / name) for name in ("run", "wide")]
    desk = make_desk(runs, [app_root / "out"])
    listening: socket.socket = listen("127.0.0.1", None)
    app = application(desk, hosts={"127.0.0.1", "localhost"})
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, ws="none")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while not server.started and time.monotonic() < until:
        time.sleep(0.05)
    assert server.started
    yield Site(f"http://127.0.0.1:{listening.getsockname()[1]}", app_root, runs[0], desk)
    server.should_exit = True
    thread.join(20)
    listening.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Start a real Chromium, as Debian packages it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("needs chromium; apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()
