"""Draw the pictures of report and application for the docs: python -m tests.app.screenshots.

Only the sample photographs of scikit-image and scikit-learn are in them.
"""

import io
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from acseg import ACSeg
from acseg.collection import run_collection
from acseg.demo import sample_photographs
from tests.app.conftest import serve_in_thread

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
MOST = 200_000  # bytes
WAIT = 120_000  # ms


def save(page: Any, name: str) -> None:
    """Write what the page shows as a JPEG that is small enough."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    for quality in (88, 80, 70, 60, 50):
        stream = io.BytesIO()
        picture.save(stream, format="JPEG", quality=quality, optimize=True)
        if stream.tell() < MOST:
            break
    (PICTURES / name).write_bytes(stream.getvalue())


def report(page: Any, address: str) -> None:
    """The grid of all samples, with the pointer on the cup."""
    page.goto(address)
    card = page.locator(".card", has_text="coffee.png")
    card.locator("canvas").wait_for()
    page.wait_for_timeout(1500)
    box = card.locator(".frame").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.55 * box["height"])
    page.wait_for_timeout(500)


def application(page: Any, address: str) -> None:
    """One sample large, half photograph and half overlay."""
    page.goto(address)
    page.get_by_label("Try sample 3").click()
    page.locator("#large-name", has_text="astronaut.png").wait_for(timeout=WAIT)
    page.locator("#wipe").fill("62")
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(1000)


def main() -> None:
    """Draw all four."""
    shots: list[tuple[str, Callable[[Any, str], None], str]] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        out = Path(folder) / "out"
        run_collection(ACSeg(), sample_photographs(), out, title="Sample photographs")
        site = serve_in_thread(Path(folder), [], [])
        shots = [
            ("report", report, (out / "index.html").as_uri()),
            ("app", application, site.address),
        ]
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, draw, address in shots:
            for scheme in ("light", "dark"):
                size = {"width": 1280, "height": 860}
                page = browser.new_page(color_scheme=scheme, viewport=size)
                draw(page, address)
                save(page, f"{name}-{scheme}.jpg")
                page.close()
        browser.close()
        site.stop()


if __name__ == "__main__":
    main()
