import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acseg.app.view import gallery_html, message_html
from acseg.errors import DataError

Png = Callable[..., bytes]


class Page(HTMLParser):
    """Collects the elements and the text of a piece of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, kind: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.elements if kind in (a.get("class") or "").split()]


def check_safe(page: Page) -> None:
    """Nothing in the page may run, and no picture may come from elsewhere."""
    for tag, given in page.elements:
        assert tag not in ("script", "iframe", "object", "style", "link")
        assert not [name for name in given if name.startswith("on")]
        if tag == "img":
            assert (given["src"] or "").startswith("data:image/")
            assert "alt" in given


def test_a_picture_with_its_legend_and_downloads(desk: Any, png: Png) -> None:
    word = desk.shelf.put("photo.jpg", png())
    start = desk.explorer.start(0)
    answer = desk.show(word, start, {})
    page = Page(answer.view)
    check_safe(page)
    found = desk.explorer.draw(desk.shelf.get(word), start)
    assert answer.message == ""
    assert [i for _, i in answer.labels] == [s.id for s in found.segments]
    assert [a["data-label"] for a in page.of("acseg-label")] == [str(s.id) for s in found.segments]
    assert f"photo.jpg: {len(found.segments)} class" in page.text
    assert [a["href"] for a in page.of("acseg-download")] == [
        f"acseg/{word}/{file}" for file in ("labels.png", "overlay.jpg", "regions.json")
    ]


def test_names_of_files_and_classes_are_escaped(desk: Any, png: Png, evil: str) -> None:
    word = desk.shelf.put(evil, png())
    start = desk.explorer.start(0)
    label = desk.show(word, start, {}).labels[0][1]
    answer, _ = desk.name(word, start, {}, label, evil)
    for text in (answer.view, answer.message):
        check_safe(Page(text))
        assert "<img src=x" not in text
    assert Page(answer.view).of("acseg-label")[0]["data-called"] == f"{evil} ({label})"
    check_safe(Page(message_html(evil)))
    check_safe(Page(gallery_html([(0, evil, None, evil)])))
    assert evil in Page(gallery_html([(0, evil, None, "")])).text


@pytest.mark.parametrize("data", [b"some text", b"", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_gets_a_clear_message(desk: Any, data: bytes) -> None:
    answer = desk.show(desk.shelf.put("<b>notes</b>.txt", data), desk.explorer.start(0), {})
    assert 'role="alert"' in answer.message
    assert "&lt;b&gt;notes&lt;/b&gt;.txt: " in answer.message
    assert answer.labels == []
    assert "No picture yet" in answer.view


def test_a_picture_that_is_no_longer_held(desk: Any) -> None:
    assert "no longer held" in desk.show("gone", desk.explorer.start(0), {}).message
    assert desk.show(None, desk.explorer.start(0), {}).message == ""
    assert desk.download("gone", "labels.png") is None


def test_controls_that_the_page_cannot_send_are_refused(desk: Any, png: Png) -> None:
    word = desk.shelf.put("a.png", png())
    start = desk.explorer.start(0)
    for bad in (
        {"side": 100_000},
        {"side": 1},
        {"generator": 9},
        {"generator": -1},
        {"kind": "other"},
        {"merge": 2.0},
        {"confidence": float("nan")},
        {"strength": -1.0},
    ):
        assert 'role="alert"' in desk.show(word, replace(start, **bad), {}).message, bad


def test_naming_a_concept_stays_with_the_picture(desk: Any, png: Png) -> None:
    word = desk.shelf.put("a.png", png())
    start = replace(desk.explorer.start(0), kind="concepts")
    answer, given = desk.name(word, start, {}, 0, " the  wall ")
    assert given == {}
    assert answer.labels[0] == ("the wall (0)", 0)
    assert desk.name_of(start, given, word, 0) == "the wall"
    message, _ = desk.write(start, given)
    assert "no class was named yet" in message
    answer, _ = desk.name(word, start, {}, 0, "")
    assert answer.labels[0] == ("concept 0", 0)


def test_naming_a_class_changes_the_run_only_when_asked(desk: Any, png: Png) -> None:
    word = desk.shelf.put("a.png", png())
    start = desk.explorer.start(0)
    config = desk.explorer.choices[0].run / "config.json"
    before = config.read_bytes()
    label = desk.show(word, start, {}).labels[-1][1]
    answer, given = desk.name(word, start, {}, label, "road")
    assert (f"road ({label})", label) in answer.labels
    assert "not changed yet" in answer.message
    assert config.read_bytes() == before
    message, left = desk.write(start, given)
    assert "1 name written to run" in message
    assert left == {}
    assert json.loads(config.read_text())["names"] == {str(label): "road"}
    assert (f"road ({label})", label) in desk.show(word, start, {}).labels


def test_names_are_not_written_where_that_is_not_allowed(
    runs: list[Path], app_root: Path, new_desk: Callable[..., Any]
) -> None:
    desk = new_desk(runs, [app_root / "out"], may_write=False)
    start = desk.explorer.start(0)
    before = (runs[0] / "config.json").read_bytes()
    message, given = desk.write(start, {0: {1: "road"}})
    assert 'role="alert"' in message
    assert given == {0: {1: "road"}}
    assert (runs[0] / "config.json").read_bytes() == before


def test_a_class_that_is_not_there_cannot_be_written(desk: Any) -> None:
    message, given = desk.write(desk.explorer.start(0), {0: {99: "road"}})
    assert "no class 99" in message
    assert given == {0: {99: "road"}}


def test_naming_needs_a_region(desk: Any, png: Png) -> None:
    answer, given = desk.name(None, desk.explorer.start(0), {}, None, "road")
    assert "click on a region first" in answer.message
    assert given == {}
    assert "no longer held" in desk.name("gone", desk.explorer.start(0), {}, 1, "x")[0].message


def test_downloads_are_what_is_shown_at_full_size(desk: Any, png: Png) -> None:
    word = desk.shelf.put("my photo.v2.jpg", png(2, (70, 90)))
    controls = replace(desk.explorer.start(0), kind="concepts", strength=1.0)
    desk.show(word, controls, {})
    assert desk.download(word, "other.txt") is None
    desk.name(word, controls, {}, 0, "wall")
    found = desk.explorer.draw(desk.shelf.get(word), controls)
    content, media, name = desk.download(word, "labels.png")
    assert (media, name) == ("image/png", "my photo.v2.labels.png")
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), found.labels)
    content, media, _ = desk.download(word, "overlay.jpg")
    assert media == "image/jpeg"
    assert Image.open(io.BytesIO(content)).size == (90, 70)
    regions = json.loads(desk.download(word, "regions.json")[0])
    assert regions["size"] == [90, 70]
    assert regions["concepts"][0]["name"] == "wall"
    assert [r["id"] for r in regions["concepts"]] == [s.id for s in found.segments]


def test_browsing(desk: Any, evil: str) -> None:
    cards, said, page, pages = desk.browse(0, None, "", None, 1)
    assert (page, pages) == (1, 1)
    assert "3 of 3 pictures" in said
    shown = Page(cards)
    check_safe(shown)
    assert [a["data-picture"] for a in shown.of("acseg-card")] == ["0", "1", "2"]
    assert f"sub/{evil}" in shown.text
    assert "1 of 3 pictures" in desk.browse(0, None, "A.PNG", None, 7)[1]
    assert desk.browse(0, 254, "", None, 1)[0] == ""


def test_looking_at_one_picture(desk: Any) -> None:
    for place in range(3):
        page = Page(desk.look(0, place))
        check_safe(page)
        assert page.of("acseg-stage")
    assert 'role="alert"' in desk.look(0, 3)
    assert 'role="alert"' in desk.look(0, -1)


def test_an_output_folder_that_vanished(
    runs: list[Path], app_root: Path, tmp_path: Path, new_desk: Callable[..., Any]
) -> None:
    out = shutil.copytree(app_root / "out", tmp_path / "out")
    desk = new_desk(runs, [out])
    shutil.rmtree(out)
    assert "no output folder" in desk.browse(0, None, "", None, 1)[1]
    assert 'role="alert"' in desk.look(0, 0)
    with pytest.raises(DataError):
        new_desk(runs, [out])
