"""Pictures of the application and of the report for the docs: ACSEG_SCREENSHOTS=1 draws them.

Only the sample photographs of scikit-image and scikit-learn are in them.
"""

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from acseg.app.limits import Limits

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
MOST = 200_000  # bytes
WAIT = 120_000  # ms

pytestmark = pytest.mark.skipif(
    os.environ.get("ACSEG_SCREENSHOTS") != "1", reason="drawn only with ACSEG_SCREENSHOTS=1"
)


def save(page: Any, name: str) -> None:
    """Write what the page shows as a JPEG that is small enough."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    for quality in (88, 80, 70, 60, 50):
        stream = io.BytesIO()
        picture.save(stream, format="JPEG", quality=quality, optimize=True)
        if stream.tell() < MOST:
            break
    (PICTURES / name).write_bytes(stream.getvalue())
    assert (PICTURES / name).stat().st_size < MOST


@pytest.fixture(scope="module")
def bundled() -> Iterator[str]:
    """Serve the bundled model."""
    import uvicorn

    from acseg.app.desk import Desk
    from acseg.app.dropped import Shelf
    from acseg.app.explore import Explorer, find_choices
    from acseg.app.server import application, listen

    explorer = Explorer(find_choices([]))
    desk = Desk(explorer, Shelf(Limits()), [], may_write=True)
    listening = listen("127.0.0.1", None)
    app = application(desk, hosts=None)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
    listening.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Segment the sample photographs, as `acseg demo` does."""
    from acseg import ACSeg
    from acseg.collection import run_collection
    from acseg.demo import sample_photographs

    out = tmp_path_factory.mktemp("demo") / "out"
    run_collection(ACSeg.load(), sample_photographs(), out, title="Sample photographs")
    return out / "index.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_application(chromium: Any, bundled: str, scheme: str) -> None:
    page = chromium.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 1010})
    page.goto(bundled)
    page.locator("#acseg-sample input").click(timeout=WAIT)
    page.get_by_role("option", name="china.jpg").click()
    page.locator("#acseg-view figcaption", has_text="china.jpg").wait_for(timeout=WAIT)
    for at, name in (((0.3, 0.15), "sky"), ((0.3, 0.5), "pagoda")):
        box = page.locator("#acseg-view .acseg-drawn").bounding_box()
        place = {"x": at[0] * box["width"], "y": at[1] * box["height"]}
        page.locator("#acseg-view .acseg-drawn").click(position=place)
        page.wait_for_function(
            "() => document.activeElement.closest('#acseg-name') !== null", timeout=WAIT
        )
        page.locator("#acseg-name :is(input, textarea)").fill(name)
        page.keyboard.press("Enter")
        page.locator("#acseg-view .acseg-legend", has_text=name).wait_for(timeout=WAIT)
        page.evaluate("document.activeElement.blur()")
    box = page.locator("#acseg-view .acseg-drawn").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    page.locator("#acseg-view .acseg-tip", has_text="pagoda").wait_for(timeout=WAIT)
    page.wait_for_timeout(1000)
    save(page, f"app-{scheme}.jpg")
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report(chromium: Any, report: Path, scheme: str) -> None:
    page = chromium.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 1010})
    page.goto(report.as_uri())
    page.locator("img, canvas").first.wait_for(timeout=WAIT)
    page.wait_for_timeout(2000)
    save(page, f"report-{scheme}.jpg")
    page.close()
