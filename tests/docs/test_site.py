import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """Anchors of a page, where its links lead, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.described: list[str | None] = []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.anchors |= {named[key] or "" for key in ("id", "name") if key in named}
        if tag == "a" and named.get("href"):
            self.links.append(str(named["href"]))
        if tag == "img":
            self.described.append(named.get("alt"))
        load = named.get(LOADS.get(tag, ""))
        if load and named.get("rel") not in ("next", "prev", "canonical"):
            self.loaded.append(load)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("mkdocs", "material", "mkdocstrings_handlers"):
        pytest.importorskip(package)
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_no_link_is_broken(pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # its links are from the root of a server
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = target.exists() and (
                not parts.fragment
                or target not in pages
                or unquote(parts.fragment) in pages[target].anchors
            )
            if not there:
                broken.append(f"{path.name}: {link}")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        away = [one for one in page.loaded if urlsplit(one).netloc]
        assert away == [], path.name
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert "url(http" not in text
        assert "@import" not in text


def test_the_reference_holds_the_public_names(site: Path) -> None:
    import acseg

    anchors = Page(site / "reference.html").anchors
    found = {anchor.rpartition(".")[2] for anchor in anchors}
    assert set(acseg.__all__) <= found
    assert {"acseg.model.acseg.ACSeg.fit", "acseg.model.acseg.ACSeg.from_pretrained"} <= anchors
    assert "acseg.model.segmentation.Segmentation.at" in anchors
    assert "acseg.export.single.to_coco" in anchors


def test_pictures_have_a_description(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        assert all(page.described), path.name
    assert sum(len(page.described) for page in pages.values()) >= 4
