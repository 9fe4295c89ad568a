"""A small model folder and an output folder that it predicted, served to a real browser."""

import io
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acseg.app.limits import Limits

EVIL = "<img src=x onerror=\"document.title='caught'\">${1+1}{{x}}&amp;.png"
LIMITS = Limits(bytes=200_000, pixels=50_000, seconds=5, pictures=6, share=400_000, held=600_000)


@pytest.fixture(scope="session")
def app_root(
    tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path, photos: Callable[..., Path]
) -> Path:
    """Make a folder with model/ (3 classes), photos/, out/ (classes) and concepts/."""
    from acseg import ACSeg
    from acseg.collection import run_collection

    root = tmp_path_factory.mktemp("app")
    folder = photos(root / "photos", ["a.png", "sub/b.png", f"sub/{EVIL}"], size=(60, 80))
    how = {"side": 40, "device": "cpu", "precision": "float32"}
    model = ACSeg(str(tiny_backbone), **how)
    dim = model.pipeline.backbone.dim
    model.centres_ = np.random.default_rng(0).normal(size=(3, dim)).astype(np.float32)
    model.save_pretrained(root / "model")
    run_collection(model, [folder], root / "out", kind="classes")
    run_collection(model, [folder], root / "concepts", kind="concepts")
    (root / "secret.txt").write_text("secret")
    return root


@pytest.fixture(scope="session")
def evil() -> str:
    """A name with markup for every way in which it could be taken for some."""
    return EVIL


@pytest.fixture(scope="session")
def limits() -> Limits:
    """Limits that a test can reach."""
    return LIMITS


@pytest.fixture
def folders(app_root: Path, tmp_path: Path) -> Path:
    """Copies of model/ and out/ to be changed; the photographs stay where they are found."""
    return copied(app_root, tmp_path)


def copied(app_root: Path, root: Path) -> Path:
    for name in ("model", "out", "concepts", "photos"):
        shutil.copytree(app_root / name, root / name)
    return root


@pytest.fixture(scope="session")
def png(photograph: Callable[..., np.ndarray]) -> Callable[..., bytes]:
    """Make the bytes of a picture."""

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
    application: Any
    stop: Callable[[], None]


def serve_in_thread(
    root: Path, models: list[str], outs: list[str], limits: Limits | None = None
) -> Site:
    """Serve the application from a thread of this process."""
    import uvicorn

    from acseg.app.routes import asgi
    from acseg.app.server import listen, prepare

    application = prepare(
        [str(root / name) for name in models],
        [root / name for name in outs],
        device="cpu",
        limits=limits,
    )
    listening = listen("127.0.0.1", None)
    server = uvicorn.Server(
        uvicorn.Config(
            asgi(application, hosts={"127.0.0.1", "localhost"}),
            log_level="error",
            timeout_graceful_shutdown=1,
            ws="none",
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while not server.started and time.monotonic() < until:
        time.sleep(0.05)
    assert server.started

    def stop() -> None:
        server.should_exit = True
        thread.join(20)
        listening.close()

    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    return Site(address, root, application, stop)


@pytest.fixture(scope="module")
def site(app_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve copies of the model and of both output folders."""
    pytest.importorskip("starlette", reason="needs starlette; pip install 'acseg[app]'")
    pytest.importorskip("uvicorn", reason="needs uvicorn; pip install 'acseg[app]'")
    root = copied(app_root, tmp_path_factory.mktemp("site"))
    (root / "secret.txt").write_text("secret")
    one = serve_in_thread(root, ["model"], ["out", "concepts"], LIMITS)
    yield one
    one.stop()


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
