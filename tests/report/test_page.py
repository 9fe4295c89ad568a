"""The page in a real Chromium, as it opens from a file."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from acseg.concepts.tree import ConceptTree
from acseg.output.label_png import write_labels
from acseg.output.records import (
    ClassRecord,
    Exemplar,
    Record,
    Segment,
    write_classes,
    write_records,
)
from acseg.report.html import write_report

EVIL = "<img src=x onerror=\"document.title='caught'\">&amp;.jpg"
TREE = {
    "merges": [[0, 1], [2, 3], [4, 5]],
    "heights": [0.9, 0.6, 0.2],
    "sizes": [1, 1, 1, 1],
    "threshold": 0.5,
}


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


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write an output folder of n pictures, 40 x 30, each in four quarters."""

    def write(n: int, kind: str = "classes") -> Path:
        out = tmp_path / "out"
        labels = np.zeros((30, 40), np.uint8)
        labels[:, 20:] = 1
        labels[15:] += 2
        write_labels(out / "labels/one.png", labels)
        Image.new("RGB", (40, 30), (90, 120, 90)).save(tmp_path / "one.png")
        names = [f"{i}.jpg" for i in range(n - 1)] + [EVIL]
        quarter = [(0, 0), (20, 0), (0, 15), (20, 15)]
        tree = TREE if kind == "concepts" else None
        records = []
        for i, name in enumerate(names):
            found = range(4) if i % 2 == 0 else range(3)
            segments = tuple(
                Segment(c, 0.25, (*quarter[c], 20, 15), 0.2 * c + 0.01 * i / n) for c in found
            )
            record = Record(
                name, "ok", None, (40, 30), "labels/one.png", "../one.png", kind, segments,  # type: ignore[arg-type]
                tree=tree,
            )  # fmt: skip
            records.append(record)
        if kind == "concepts":
            write_labels(out / ".acseg/leaves/one.png", labels)
        else:
            exemplars = (Exemplar("0.jpg", (0, 0, 20, 15)),)
            listed = [ClassRecord(c, None, (9, 9, 60 * c), 0.25) for c in range(3)]
            listed.append(ClassRecord(3, EVIL, (200, 10, 10), 0.25, 0.5, exemplars))
            write_classes(out / "classes.json", listed)
        records.append(Record.failed("gone <i>.jpg", "the file is empty", kind=kind))  # type: ignore[arg-type]
        write_records(out / "segments.jsonl", records)
        return write_report(out, title="Tried")

    return write


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a file; in the end nothing may have gone wrong."""
    complaints: list[str] = []
    pages = []

    def go(path: Path, size: tuple[int, int] = (1280, 900)) -> Any:
        page = chromium.new_page(viewport={"width": size[0], "height": size[1]})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda r: r.url.startswith(("data:", path.as_uri())) or complaints.append(r.url),
        )
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield go
    titles = {page.title() for page in pages}
    for page in pages:
        page.close()
    assert complaints == []
    assert titles == {"Tried"}


def names(page: Any) -> list[str]:
    return [one.inner_text() for one in page.locator(".file-name").all()]


def test_find_sort_and_light(folder: Callable[..., Path], visit: Callable[..., Any]) -> None:
    page = visit(folder(3))
    assert names(page) == ["0.jpg", "1.jpg", EVIL]
    page.locator("#only").select_option("3")
    assert names(page) == ["0.jpg", EVIL]
    assert page.locator("#count").inner_text() == "2 of 3 pictures"
    page.locator("#only").select_option("")
    page.locator("#sort").select_option("fewest")
    assert names(page)[0] == "1.jpg"
    page.locator("#find").fill("nowhere")
    assert names(page) == []
    page.get_by_text("No picture is like that").wait_for()
    page.locator("#find").fill("")
    page.locator(".class-head").nth(3).click()
    assert page.locator("[aria-pressed=true]").count() == 3  # the card, a chip in each of two
    page.keyboard.press("Escape")
    assert page.locator("[aria-pressed=true]").count() == 0


def test_areas_and_failures(
    folder: Callable[..., Path], visit: Callable[..., Any], tmp_path: Path
) -> None:
    page = visit(folder(2))
    page.locator("#areas-tab").click()
    with page.expect_download() as waiting:
        page.get_by_text("Download areas.csv").click()
    lines = Path(waiting.value.path()).read_text().splitlines()
    assert lines[1] == "0.jpg,40,30," + ",".join(["300,0.25"] * 4)
    assert (
        lines[2] == f'"{EVIL.replace(chr(34), chr(34) * 2)}",40,30,300,0.25,300,0.25,300,0.25,0,0'
    )
    page.locator("#failures-tab").click()
    assert page.locator("#failures td").all_inner_texts() == ["gone <i>.jpg", "the file is empty"]


def test_one_large_with_zoom_and_divided_anew(
    folder: Callable[..., Path], visit: Callable[..., Any]
) -> None:
    page = visit(folder(2, "concepts"))
    page.locator(".card a.stage").first.click()
    page.locator("#large-name", has_text="0.jpg").wait_for()
    assert page.locator("#legend .class").count() == 4
    for granularity, parts in (("0.45", 2), ("0", 1), ("1", 4), ("0.5", 4)):
        page.locator("#granularity").fill(granularity)
        assert page.locator("#legend .class").count() == parts, granularity
    page.keyboard.press("+")
    assert page.locator("#zoom").inner_text() == "140%"
    page.go_back()
    page.locator(".card").first.wait_for()


def test_only_what_is_near_exists_of_thousands(
    folder: Callable[..., Path], visit: Callable[..., Any]
) -> None:
    page = visit(folder(2000, "classes"))
    assert page.locator(".card").count() < 40
    slow = page.evaluate("""async () => {
      const gaps = [];
      let last = performance.now();
      for (let i = 0; i < 40; i++) {
        scrollBy(0, 700);
        await new Promise(requestAnimationFrame);
        gaps.push(performance.now() - last);
        last = performance.now();
      }
      return gaps.sort((a, b) => a - b)[20];
    }""")
    assert slow < 200  # ms, also on a busy machine
    assert page.locator(".card").count() < 60
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.locator(".file-name", has_text="onerror").wait_for()  # the last picture
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_page_cuts_a_tree_as_python_does(data: st.DataObject, cutting: Any) -> None:
    n = data.draw(st.integers(1, 9))
    free, merges = list(range(n)), []
    for i in range(n - 1):
        pair = data.draw(st.permutations(free))[:2]
        free = [part for part in free if part not in pair] + [n + i]
        merges.append((min(pair), max(pair)))
    heights = sorted(data.draw(st.lists(st.floats(-1, 1), min_size=n - 1, max_size=n - 1)))[::-1]
    threshold = data.draw(st.floats(-1, 1))
    tree = ConceptTree(tuple(merges), tuple(heights), (1,) * n, threshold)
    granularity = data.draw(st.sampled_from([0, 0.2, 0.5, 0.5001, 0.9, 1]) | st.floats(0, 1))
    found = cutting.evaluate("([t, g]) => core.cut(t, g)", [tree.to_dict(), granularity])
    assert found == tree.cut(granularity).tolist()


@pytest.fixture(scope="module")
def cutting(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page whose scripts can be called."""
    out = tmp_path_factory.mktemp("empty")
    write_records(out / "segments.jsonl", [])
    page = chromium.new_page()
    page.goto(write_report(out).as_uri())
    yield page
    page.close()


def test_csv_cells_are_quoted_and_no_formula(cutting: Any) -> None:
    table = [["a,b", 'c"d', "=1+1", "-2", -2, "", "e\nf"]]
    assert cutting.evaluate("(t) => areas.csv(t)", table) == (
        '"a,b","c""d",\'=1+1,\'-2,-2,,"e\nf"\n'
    )
    assert json.loads(cutting.evaluate("JSON.stringify([...core.runs('AAEHAA==', 3)])")) == [
        0,
        0,
        7,
    ]
