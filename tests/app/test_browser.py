"""The application in a real Chromium: what a visitor does, and what the browser says to it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acseg.model.folder import edits_of
from tests.app.conftest import LIMITS, copied, serve_in_thread

Png = Callable[..., bytes]
WAIT = 60_000  # ms; machines that run tests may be busy

DROP = """
(files) => {
  const data = new DataTransfer();
  for (const [name, bytes] of files) data.items.add(new File([new Uint8Array(bytes)], name));
  for (const kind of ['dragover', 'drop'])
    document.body.dispatchEvent(
      new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
}
"""

UNNAMED = """
() => [...document.querySelectorAll('input, select, textarea, button, a[href], [role=button]')]
  .filter(e => e.checkVisibility() && e.type !== 'hidden')
  .filter(e => !(e.getAttribute('aria-label') || (e.labels && e.labels.length &&
     e.labels[0].textContent.trim()) || e.textContent.trim() || e.title))
  .map(e => e.outerHTML.slice(0, 200))
"""

CONTRAST = """
() => {
  const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [0.2126 * r, 0.7152 * g, 0.0722 * b].reduce((a, b) => a + b);
  const linear = (c) => c.slice(0, 3).map((v) =>
    v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    const text = [...e.childNodes].filter((n) => n.nodeType === 3 && n.textContent.trim());
    const seen = e.checkVisibility({checkOpacity: true, checkVisibilityCSS: true});
    const exempt = '[disabled], .off, script, style, .tip, .tags';
    if (!text.length || !seen || e.closest(exempt)) continue;
    const [a, b] = [getComputedStyle(e).color, null].map((c, i) =>
      light(linear(i ? behind(e) : rgba(c))));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(`${ratio.toFixed(2)} ${e.textContent.trim().slice(0, 40)}`);
  }
  return bad;
}
"""


class Visit:
    """A page of one visitor, with all that the browser complained of and asked for."""

    def __init__(
        self, browser: Any, address: str, scheme: str = "light", size: tuple[int, int] = (1280, 900)
    ) -> None:
        self.address = address
        self.context = browser.new_context(
            color_scheme=scheme, viewport={"width": size[0], "height": size[1]}
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(WAIT)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)
        self.page.locator("#head-more summary").wait_for()

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def drop(self, *files: tuple[str, bytes]) -> None:
        self.page.evaluate(DROP, [[name, list(data)] for name, data in files])

    def until(self, script: str, given: Any = None) -> None:
        self.page.wait_for_function(script, arg=given)

    def own(self) -> None:
        """Look at the pictures that were dropped, not at a folder."""
        self.page.locator("#head-more > select").select_option("")
        self.page.get_by_text("Drop photographs here").wait_for()

    def large(self, name: str) -> None:
        self.page.locator("#large-name", has_text=name).wait_for()
        self.until("() => document.getElementById('large-canvas').width > 50")

    def fits(self) -> bool:
        return bool(
            self.page.evaluate("document.documentElement.scrollWidth <= document.body.clientWidth")
        )

    def end(self) -> None:
        """Close, after checking that nothing went wrong and nothing went out."""
        title = self.page.title()
        self.context.close()
        assert self.complaints == []
        inside = (self.address, "data:", "blob:")
        assert [url for url in self.asked if not url.startswith(inside)] == []
        assert title == "acseg"


@pytest.fixture
def visit(chromium: Any, site: Any) -> Iterator[Visit]:
    one = Visit(chromium, site.address)
    yield one
    one.context.close()


@pytest.fixture
def alone(chromium: Any, app_root: Path, tmp_path: Path) -> Iterator[tuple[Visit, Any]]:
    """A visit to a site of one's own, to be changed."""
    one = serve_in_thread(copied(app_root, tmp_path), ["model"], ["out"], LIMITS)
    visit = Visit(chromium, one.address)
    yield visit, one
    visit.context.close()
    one.stop()


def test_drop_one_picture_divide_it_and_download(visit: Visit, png: Png, tmp_path: Path) -> None:
    page = visit.page
    visit.own()
    page.locator("#head-more summary").click()
    page.get_by_label("What is drawn").select_option("concepts")
    page.wait_for_timeout(300)
    visit.drop(("my photo.png", png(2, (96, 80))))
    visit.large("my photo.png")
    rows = page.locator("#legend .class")
    before = rows.count()
    page.locator("#granularity").fill("1")
    finest = rows.count()
    page.locator("#granularity").fill("0")
    assert rows.count() == 1
    assert finest >= before
    saved: dict[str, bytes] = {}
    for name in ("Labels PNG", "Overlay", "COCO", "CSV"):
        with page.expect_download() as waiting:
            page.locator("#large-more").get_by_text(name, exact=True).click()
        shutil.copy(waiting.value.path(), tmp_path / "saved")
        saved[waiting.value.suggested_filename] = (tmp_path / "saved").read_bytes()
    assert list(saved) == [
        "my photo.labels.png", "my photo.overlay.jpg", "my photo.coco.json",
        "my photo.png.areas.csv",
    ]  # fmt: skip
    (tmp_path / "l.png").write_bytes(saved["my photo.labels.png"])
    with Image.open(tmp_path / "l.png") as picture:
        assert (picture.mode, picture.size) == ("P", (80, 96))
        assert np.unique(np.asarray(picture)).tolist() == [0]  # as the slider stands
    lines = saved["my photo.png.areas.csv"].decode().splitlines()
    assert lines == ["path,width,height,concept,pixels,share", "my photo.png,80,96,0,7680,1"]

    stage = page.locator("#frame").bounding_box()
    page.mouse.move(stage["x"] + 9, stage["y"] + 9)
    assert page.locator("#tip").inner_text() == "concept 0"
    page.keyboard.press("+")
    assert page.locator("#zoom").inner_text() == "140%"
    page.keyboard.press("0")
    assert page.locator("#zoom").inner_text() == "Fit"
    knob = page.locator("#knob").bounding_box()
    page.mouse.move(knob["x"] + 17, knob["y"] + knob["height"] / 2)
    page.mouse.down()
    page.mouse.move(stage["x"] + stage["width"] / 4, stage["y"] + 50)
    page.mouse.up()
    assert page.locator("#wipe").input_value() in ("24", "25", "26")
    page.keyboard.press("Escape")
    page.locator(".card").first.wait_for()
    visit.end()


def test_drop_several_with_one_that_is_no_picture(visit: Visit, png: Png, evil: str) -> None:
    page = visit.page
    visit.own()
    visit.drop(
        (evil, png(1)), ("b.png", png(2)), ("notes <i>.txt", b"notes"), ("c", b"x" * 200_001)
    )
    visit.until("() => !document.querySelector('.card progress')")
    visit.until("() => document.querySelectorAll('.chip').length > 1")
    names = [one.inner_text() for one in page.locator(".file-name").all()]
    assert names == [evil, "b.png", "notes <i>.txt", "c"]
    bad = [one.inner_text() for one in page.locator(".facts .bad").all()]
    assert bad[0].startswith("not a picture")
    assert bad[1] == "more than the 0.2 MB allowed here"
    for _ in bad:
        page.get_by_role("button", name="Remove").first.click()
    assert page.locator(".card").count() == 2
    page.reload()
    page.locator("#head-more > select").select_option("")
    page.locator(".card").nth(1).wait_for()
    page.locator("#head-more summary").click()
    page.get_by_role("button", name="Clear the pictures").click()
    page.get_by_text("Drop photographs here").wait_for()
    visit.end()


def test_name_merge_drop_and_undo_on_the_cards(alone: tuple[Visit, Any], evil: str) -> None:
    visit, site = alone
    page, model = visit.page, site.root / "model"
    cards = page.locator("#legend .class")
    cards.nth(1).wait_for()
    count = cards.count()
    first = int(cards.first.get_attribute("data-id"))
    for name in ("brick", evil):  # the old name is selected, so typing replaces it
        cards.first.get_by_text("Name", exact=True).click()
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        page.locator(".class-name", has_text=name).first.wait_for()
        assert edits_of(model).names == {first: name}
    page.get_by_label(f"Merge {evil} into").select_option(index=1)
    visit.until("n => document.querySelectorAll('#legend .class').length === n", count - 1)
    assert list(edits_of(model).becomes) == [first]
    page.get_by_role("button", name="Undo the last change").click()
    visit.until("n => document.querySelectorAll('#legend .class').length === n", count)
    cards.first.get_by_text("Drop", exact=True).click()
    page.locator(".gone", has_text="is dropped").wait_for()
    assert edits_of(model).becomes == {first: 255}
    page.get_by_role("button", name="Take back").click()
    visit.until("n => document.querySelectorAll('#legend .class').length === n", count)
    site.application.close()
    assert evil.replace("<", "\\u003c").replace(">", "\\u003e")[:20] in (
        site.root / "out/index.html"
    ).read_text().replace('\\"', '"')
    visit.end()


def test_two_windows_on_one_folder(chromium: Any, alone: tuple[Visit, Any]) -> None:
    visit, site = alone
    other = Visit(chromium, site.address)
    for one, name in ((visit, "first"), (other, "second")):
        card = one.page.locator("#legend .class").first
        card.get_by_text("Name", exact=True).click()
        one.page.keyboard.type(name)
        one.page.keyboard.press("Enter")
        one.page.locator(".class-name", has_text="first").first.wait_for()
    other.page.locator("#said", has_text="changed elsewhere").wait_for()
    assert list(edits_of(site.root / "model").names.values()) == ["first"]
    other.complaints = [c for c in other.complaints if "409" not in c]
    other.end()
    visit.end()


def test_click_a_region_and_type_its_name(alone: tuple[Visit, Any]) -> None:
    visit, site = alone
    page = visit.page
    page.locator(".card a.stage").first.click()
    visit.large("a.png")
    frame = page.locator("#frame").bounding_box()
    page.mouse.click(frame["x"] + 5, frame["y"] + 5)
    visit.until("() => document.activeElement.classList.contains('name-input')")
    page.keyboard.type("corner")
    page.keyboard.press("Enter")
    page.locator("#tags span", has_text="corner").first.wait_for()
    assert list(edits_of(site.root / "model").names.values()) == ["corner"]
    visit.end()


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", (390, 844)), ("dark", (1280, 900)), ("dark", (2560, 1300))]
)
def test_everything_fits_has_a_name_and_stands_out(
    chromium: Any, site: Any, png: Png, scheme: str, size: tuple[int, int]
) -> None:
    visit = Visit(chromium, site.address, scheme, size)
    page = visit.page
    page.locator(".card").first.wait_for()

    def check() -> None:
        page.mouse.move(1, 1)
        assert visit.fits()
        assert page.evaluate(UNNAMED) == []
        assert page.evaluate(CONTRAST) == []

    check()
    tools = page.locator("#tools").bounding_box()
    assert tools["height"] < 60  # one line
    page.locator("#areas-tab").click()
    page.locator("#areas table").first.wait_for()
    check()
    page.keyboard.press("ArrowLeft")
    visit.own()
    check()
    visit.drop(("a.png", png()))
    visit.large("a.png")
    check()
    shown = page.locator("#stage").bounding_box()
    assert shown["y"] + shown["height"] <= size[1]  # the result is what one sees
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, dark[4:-1].split(","))) < 300) == (scheme == "dark")
    visit.end()


def test_the_keyboard_is_enough(visit: Visit) -> None:
    page = visit.page
    page.locator(".card").nth(2).wait_for()
    page.locator(".card a.stage").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    visit.large("")
    name = page.locator("#large-name").inner_text()
    page.keyboard.press("ArrowRight")
    visit.until("n => document.getElementById('large-name').textContent !== n", name)
    page.keyboard.press("ArrowLeft")
    visit.until("n => document.getElementById('large-name').textContent === n", name)
    page.keyboard.press("Escape")
    visit.until("() => document.activeElement.classList.contains('stage')")
    visit.end()


def test_two_visitors_do_not_see_each_other(chromium: Any, site: Any, png: Png) -> None:
    first, second = Visit(chromium, site.address), Visit(chromium, site.address)
    for visit, name, seed in ((first, "first.png", 0), (second, "second.png", 1)):
        visit.drop((name, png(seed)))
        visit.large(name)
    assert "second.png" not in first.page.content()
    assert "first.png" not in second.page.content()
    first.end()
    second.end()
