import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from acseg.model.notebook import LONGEST
from acseg.model.segmentation import Segmentation


class Page(HTMLParser):
    """Collects the text of cells, and checks that tags close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.cells: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes.append(dict(attrs))
        if tag in ("td", "th"):
            self.cells.append("")
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] in ("td", "th"):
            self.cells[-1] += data.strip()


def made(size: tuple[int, int] = (10, 20), **more: object) -> Segmentation:
    labels = np.zeros(size, np.int64)
    labels[2:5, 4:8] = 3
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    return Segmentation(labels, image, "classes", **more)  # type: ignore[arg-type]


def test_the_legend_shows_colour_name_share_and_confidence() -> None:
    page = Page(made(confidence={3: 0.456}, names={3: "cat"}, colours={3: (1, 2, 3)})._repr_html_())
    assert page.cells == [
        "class",
        "share",
        "confidence",
        "0",
        "94.0 %",
        "",
        "3 cat",
        "6.0 %",
        "0.46",
    ]
    styles = " ".join(a.get("style") or "" for a in page.attributes)
    assert "rgb(1,2,3)" in styles


def test_what_is_not_known_has_no_column() -> None:
    assert Page(made()._repr_html_()).cells == ["class", "share", "0", "94.0 %", "3", "6.0 %"]


def test_names_are_escaped() -> None:
    evil = "<script>alert(1)</script>\"&'<img src=x onerror=y>"
    page = Page(made(names={3: evil})._repr_html_())
    assert f"3 {evil}" in page.cells
    assert page.seen.count("img") == 1
    assert "script" not in page.seen


def test_void_and_tiny_shares_are_told() -> None:
    labels = np.full((100, 100), 255)
    labels[0, 0], labels[50:] = 1, 2
    html = Segmentation(labels, np.zeros((100, 100, 3), np.uint8))._repr_html_()
    assert "50.0 % of the pixels are void" in html
    assert Page(html).cells[:4] == ["concept", "share", "1", "< 0.1 %"]
    nothing = Segmentation(np.full((9, 9), 255), np.zeros((9, 9, 3), np.uint8))
    assert Page(nothing._repr_html_()).cells == ["concept", "share"]


@pytest.mark.parametrize("size", [(10, 20), (40, 3 * LONGEST)])
def test_large_overlays_are_made_smaller(size: tuple[int, int]) -> None:
    found = made(size)
    with Image.open(io.BytesIO(found._repr_png_())) as shown:
        assert max(shown.size) == min(max(size), LONGEST)
        if size == (10, 20):
            np.testing.assert_array_equal(np.asarray(shown), np.asarray(found.overlay()))
    (data,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', found._repr_html_())
    with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
        assert max(shown.size) == min(max(size), LONGEST)


def test_nothing_comes_from_elsewhere() -> None:
    assert not re.search(r"https?://|<script|<link|@import|url\(", made()._repr_html_())
