"""The application in a real Chromium: what a visitor does, and what the browser says to it."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio")
Png = Callable[..., bytes]
WAIT = 60_000  # ms; machines that run tests may be busy

DROP = """
([name, bytes]) => {
  const file = new File([new Uint8Array(bytes)], name);
  const data = new DataTransfer();
  data.items.add(file);
  const zone = document.querySelector('.acseg-drop');
  for (const kind of ['dragover', 'drop'])
    zone.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
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
    if (!text.length || !seen || e.closest('[disabled], script, style, .acseg-tip')) continue;
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

    def __init__(self, browser: Any, site: Any, scheme: str = "light") -> None:
        self.site = site
        self.context = browser.new_context(
            color_scheme=scheme, viewport={"width": 1280, "height": 900}
        )
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(site.address)
        self.page.locator(".acseg-drop input").wait_for(state="attached", timeout=WAIT)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def drop(self, name: str, data: bytes) -> None:
        self.page.evaluate(DROP, [name, list(data)])

    def see(self, words: str) -> Any:
        found = self.page.locator("#acseg-view figcaption", has_text=words)
        found.wait_for(timeout=WAIT)
        return found

    def told(self, words: str, role: str) -> str:
        found = self.page.locator(f"#acseg-message [role={role}]", has_text=words)
        found.wait_for(timeout=WAIT)
        return str(found.inner_text())

    def drawn(self) -> str:
        return str(self.page.locator("#acseg-view .acseg-drawn").get_attribute("src"))

    def slide(self, control: str, value: float) -> None:
        self.page.locator(f"#acseg-{control} input[type=range]").fill(str(value))

    def choose(self, control: str, place: int) -> None:
        self.page.locator(f"#acseg-{control} input").click()
        self.page.get_by_role("option").nth(place).click()

    def end(self) -> None:
        """Close, after checking that nothing went wrong and nothing went out."""
        title = self.page.title()
        self.context.close()
        assert self.complaints == []
        inside = (self.site.address + "/", "data:", "blob:")
        assert [url for url in self.asked if not url.startswith(inside)] == []
        assert title == "acseg"


@pytest.fixture
def visit(chromium: Any, site: Any) -> Iterator[Visit]:
    one = Visit(chromium, site)
    yield one
    one.context.close()


def test_drop_a_picture_move_the_controls_and_download(visit: Visit, png: Png) -> None:
    page = visit.page
    visit.drop("my photo.png", png(2, (96, 80)))
    visit.see("my photo.png:")
    first = visit.drawn()

    box = page.locator("#acseg-view .acseg-stage").bounding_box()
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    tip = page.locator("#acseg-view .acseg-tip")
    tip.wait_for(timeout=WAIT)
    labels = [one.inner_text() for one in page.locator("#acseg-view .acseg-label b").all()]
    assert tip.inner_text() in labels

    visit.slide("strength", 0)
    page.wait_for_function(
        "old => document.querySelector('#acseg-view .acseg-drawn').src !== old",
        arg=first,
        timeout=WAIT,
    )
    visit.slide("confidence", 1)
    visit.see("void")
    visit.slide("confidence", 0)
    page.locator("#acseg-kind label").first.click()
    visit.see("concept")
    visit.choose("generator", 1)
    page.locator("#acseg-generator input").wait_for()
    visit.see("class")

    visit.slide("merge", 0.5)
    page.locator("h1").click()  # leaving a list must not choose from it again
    page.wait_for_timeout(500)
    assert page.locator("#acseg-merge input[type=range]").input_value() == "0.5"
    visit.slide("merge", 1)
    visit.see("class")

    with page.expect_download(timeout=WAIT) as waiting:
        page.get_by_role("link", name="Download labels").click()
    saved = waiting.value
    assert saved.suggested_filename == "my photo.labels.png"
    with Image.open(saved.path()) as picture:
        assert (picture.mode, picture.size) == ("P", (80, 96))
        ids = set(np.unique(np.asarray(picture)).tolist())
    with page.expect_download(timeout=WAIT) as waiting:
        page.get_by_role("link", name="Download overlay").click()
    with Image.open(waiting.value.path()) as picture:
        assert (picture.format, picture.size) == ("JPEG", (80, 96))
    shown = page.locator("#acseg-view .acseg-label").all()
    assert {int(one.get_attribute("data-label")) for one in shown} == ids
    visit.end()


def test_name_a_class_by_clicking_and_write_it(visit: Visit, png: Png, evil: str) -> None:
    page = visit.page
    config = visit.site.run / "config.json"
    before = json.loads(config.read_text())
    page.set_input_files(".acseg-drop input", {"name": evil, "mimeType": "", "buffer": png(1)})
    visit.see("class")
    page.locator("#acseg-view .acseg-drawn").click(position={"x": 4, "y": 4})
    name = page.locator("#acseg-name :is(input, textarea)")
    page.wait_for_function(
        "() => document.activeElement.closest('#acseg-name') !== null", timeout=WAIT
    )
    label = int(page.locator(".acseg-label[aria-pressed=true]").get_attribute("data-label"))
    name.fill(evil)
    name.press("Enter")
    visit.told("while this page is open", "status")
    pressed = page.locator(f"#acseg-view .acseg-label[data-label='{label}'] b")
    assert pressed.inner_text() == f"{evil} ({label})"
    assert json.loads(config.read_text()) == before
    page.get_by_role("button", name="Write the names to the RUN").click()
    visit.told("1 name written", "status")
    assert json.loads(config.read_text())["names"][str(label)] == evil
    visit.end()


def test_what_is_no_picture_is_said_and_the_page_goes_on(visit: Visit, png: Png) -> None:
    visit.drop("notes <i>.txt", b"these are notes")
    assert "notes <i>.txt: not a picture" in visit.told("notes", "alert")
    visit.drop("large.png", b"x" * 200_001)
    assert "more than the 0.2 MB" in visit.told("large.png", "alert")
    visit.drop("empty.png", b"")
    visit.told("the file is empty", "alert")
    stream = io.BytesIO()
    Image.new("L", (300, 300)).save(stream, format="PNG")
    visit.drop("wide.png", stream.getvalue())
    assert "300 x 300 pixels" in visit.told("wide.png", "alert")
    visit.drop("good.png", png())
    visit.see("good.png:")
    assert visit.page.locator("#acseg-message [role=alert]").count() == 0
    visit.complaints = [c for c in visit.complaints if "422" not in c]  # the empty file
    visit.end()


def test_look_through_a_folder(visit: Visit, evil: str) -> None:
    page = visit.page
    page.get_by_role("tab", name="A folder").click()
    cards = page.locator(".acseg-card")
    cards.first.wait_for(timeout=WAIT)
    assert cards.count() == 3
    assert f"sub/{evil}" in [one.inner_text() for one in page.locator(".acseg-card span").all()]
    cards.nth(1).click()
    page.locator(".acseg-stage").wait_for(timeout=WAIT)
    assert f"sub/{evil}" in page.locator("figcaption").inner_text()
    search = page.locator("#acseg-search :is(input, textarea)")
    search.fill("a.png")
    search.press("Enter")
    page.locator("#acseg-status", has_text="1 of 3 pictures").wait_for(timeout=WAIT)
    search.fill("")
    search.press("Enter")
    page.locator("#acseg-status", has_text="3 of 3 pictures").wait_for(timeout=WAIT)
    visit.choose("class", 1)
    page.locator(".acseg-card small", has_text="of it").first.wait_for(timeout=WAIT)
    visit.end()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_controls_have_names_and_texts_stand_out(
    chromium: Any, site: Any, png: Png, scheme: str
) -> None:
    visit = Visit(chromium, site, scheme)
    visit.drop("a.png", png())
    visit.see("a.png:")
    visit.page.mouse.move(1, 1)
    for tab in ("A picture", "A folder"):
        visit.page.get_by_role("tab", name=tab).click()
        visit.page.locator(".acseg-card, .acseg-label").locator("visible=true").first.wait_for()
        assert visit.page.evaluate(UNNAMED) == []
        assert visit.page.evaluate(CONTRAST) == []
    dark = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, dark[4:-1].split(","))) < 300) == (scheme == "dark")
    visit.end()


def test_two_visitors_do_not_see_each_other(chromium: Any, site: Any, png: Png) -> None:
    first, second = Visit(chromium, site), Visit(chromium, site)
    first.drop("first.png", png(0))
    first.see("first.png:")
    second.drop("second.png", png(1))
    second.see("second.png:")
    first.slide("strength", 0.9)
    second.slide("strength", 0.1)
    first.page.wait_for_timeout(300)
    assert "first.png" in first.see("first.png:").inner_text()
    assert "second.png" not in first.page.content()
    assert "first.png" not in second.page.content()
    first.end()
    second.end()
