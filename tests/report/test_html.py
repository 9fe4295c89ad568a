import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acseg.errors import DataError
from acseg.model.segmentation import Segmentation
from acseg.output.names import label_name, overlay_of
from acseg.output.records import ClassRecord, Exemplar, Record, write_classes, write_records
from acseg.report.html import write_report

EVIL = "<img src=x onerror=\"document.title='caught'\">&amp;</script><!--.jpg"
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write an output folder of n pictures, as `segment` or `predict` would."""

    def write(names: list[str], kind: str = "concepts", *, fields: bool = True) -> Path:
        out = tmp_path / "out"
        rng = np.random.default_rng(0)
        places = label_name(names)
        records = []
        for i, name in enumerate(names):
            image = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
            labels = np.zeros((24, 32), np.uint8)
            labels[:12] = 1
            labels[:, : 4 * i] = 3
            photograph = tmp_path / "photos" / f"{i}.png"
            photograph.parent.mkdir(exist_ok=True)
            Image.fromarray(image).save(photograph)
            found = Segmentation(labels, image, kind=kind, confidence={0: 0.5, 1: 0.25 * (i % 4)})  # type: ignore[arg-type]
            found.save(out / "labels" / places[name])
            drawn = out / overlay_of(f"labels/{places[name]}")
            drawn.parent.mkdir(parents=True, exist_ok=True)
            found.overlay().save(drawn)
            records.append(
                found.record(
                    name,
                    labels=f"labels/{places[name]}" if fields else None,
                    source=f"../photos/{i}.png" if fields else None,
                )
            )
        write_records(out / "segments.jsonl", records)
        return out

    return write


class Page(HTMLParser):
    """Collects elements, ids, labelled controls and the data of a report."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.unlabelled: list[str] = []
        self.data: dict[str, Any] = {}
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        if tag in ("input", "select") and "label" not in self.open:
            self.unlabelled.append(given.get("id") or tag)
        if tag not in ("meta", "link", "input", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"] and self.elements[-1][1].get("id") == "data":
            self.data = json.loads(data)
        elif self.open[-1:] not in (["script"], ["style"]):
            self.text += data


def test_the_page_is_whole_and_its_controls_have_labels(make: Make) -> None:
    page = Page(write_report(make(["a.jpg", "sub/b.jpg"]), title="My <photos> & more"))
    assert page.open == []
    assert page.unlabelled == []
    assert page.elements[0] == ("html", {"lang": "en"})
    ids = [given["id"] for _, given in page.elements if "id" in given]
    assert len(ids) == len(set(ids))
    named = [given["aria-labelledby"] for _, given in page.elements if "aria-labelledby" in given]
    assert set(named) <= set(ids)
    assert set(re.findall(r'\bat\("(\w+)"\)', page.source)) <= set(ids)
    assert "My <photos> & more" in page.text


def test_nothing_is_loaded_from_outside(make: Make) -> None:
    page = Page(write_report(make(["a.jpg"])))
    for tag, given in page.elements:
        for attribute in ("src", "href", "action", "srcset", "data", "poster"):
            value = given.get(attribute) or ""
            assert value == "" or value.startswith(("data:", "#")), (tag, attribute, value)
    assert "http:" not in page.source
    assert "https:" not in page.source
    assert "@import" not in page.source
    assert "url(" not in page.source
    policy = next(g["content"] for _, g in page.elements if "http-equiv" in g)
    assert "default-src 'none'" in (policy or "")


def test_every_picture_is_there(make: Make) -> None:
    data = Page(write_report(make(["b.jpg", "sub/a b.jpg"]))).data
    assert data["kind"] == "concepts"
    assert data["classes"] == []
    first, second = data["pictures"]
    assert (first["path"], second["path"]) == ("b.jpg", "sub/a b.jpg")
    assert (first["size"], first["small"], first["missing"]) == ([32, 24], [32, 24], False)
    assert second["overlay"] == "overlays/sub/a%20b.jpg"
    assert second["found"] == [
        {"id": 0, "area": 0.4375, "confidence": 0.5, "name": None},
        {"id": 1, "area": 0.4375, "confidence": 0.25, "name": None},
        {"id": 3, "area": 0.125, "confidence": None, "name": None},
    ]
    assert len(data["colours"]) == 4


def test_markup_in_names_stays_text(make: Make) -> None:
    out = make(["a.jpg"], "classes")
    records = [Record(EVIL, size=(32, 24), labels="labels/a.png"), Record.failed(EVIL, EVIL)]
    write_records(out / "segments.jsonl", records)
    with (out / "segments.jsonl").open("a") as file:
        file.write('{"path": "b", "status": "ok", "size": [1, 1], "labels": "x", "classes": []}\n')
    write_classes(out / "classes.json", [ClassRecord(0, EVIL, (1, 2, 3))])
    page = Page(write_report(out, title=EVIL))
    assert page.open == []
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert page.source.count("</script>") == 2
    assert "<!--" not in page.source
    assert page.data["pictures"][0]["path"] == EVIL
    assert page.text.count(EVIL) == 4  # title, heading, and input and reason of the failure


def test_failures_are_listed_with_their_reason(make: Make) -> None:
    out = make(["a.jpg", "b.jpg", "c.jpg"])
    with (out / "segments.jsonl").open("a") as file:
        file.write('{"path": "d.jpg", "status": "failed", "error": "the file is empty"}\n')
        file.write('{"path": "e.jpg", "status": "failed"}\n')
    (out / "labels/b.png").unlink()
    page = Page(write_report(out))
    assert [picture["path"] for picture in page.data["pictures"]] == ["a.jpg", "c.jpg"]
    assert "Failed: 3" in page.text
    for text in ("the file is empty", "no reason given", "labels/b.png: no such file"):
        assert text in page.text


def test_without_failures_their_part_is_hidden(make: Make) -> None:
    page = Page(write_report(make(["a.jpg"])))
    part = next(g for _, g in page.elements if g.get("aria-labelledby") == "failures-title")
    assert "hidden" in part


def test_label_maps_are_found_by_name_and_missing_photographs_replaced(make: Make) -> None:
    out = make(["a.jpg", "a.tif"], fields=False)
    (out / "overlays/a.tif.jpg").unlink()
    first, second = Page(write_report(out)).data["pictures"]
    assert first["missing"]
    assert first["overlay"] == "overlays/a.jpg.jpg"
    assert second["missing"]
    assert second["overlay"] is None
    assert second["photo"] != first["photo"]


def test_classes_with_names_colours_and_exemplars(make: Make) -> None:
    out = make(["a.jpg", "b.jpg"], "classes")
    exemplars = [Exemplar("b.jpg", (0, 0, 9, 9)), Exemplar("gone.jpg", (0, 0, 9, 9))]
    write_classes(
        out / "classes.json", [ClassRecord(3, "sky", (1, 2, 255), 0.25, 0.5, tuple(exemplars))]
    )
    classes = Page(write_report(out)).data["classes"]
    assert [item["id"] for item in classes] == [0, 1, 3]
    assert classes[2]["exemplars"][0]["path"] == "b.jpg"
    assert len(classes[2].pop("exemplars")) == 1
    assert classes[2] == {
        "id": 3, "name": "sky", "colour": "#0102ff", "share": 0.25, "confidence": 0.5, "pictures": 1
    }  # fmt: skip
    assert classes[1]["share"] == pytest.approx((0.5 + 0.4375) / 2, abs=1e-3)
    assert classes[1]["confidence"] == pytest.approx(0.4375 * 0.25 / 0.9375)
    assert classes[0]["name"] is None


def test_a_broken_photograph_is_named_and_gives_no_exemplar(make: Make, tmp_path: Path) -> None:
    out = make(["a.jpg"], "classes")
    (tmp_path / "photos/0.png").write_text("no picture")
    write_classes(
        out / "classes.json",
        [ClassRecord(0, None, (1, 2, 3), exemplars=(Exemplar("a.jpg", (0, 0, 9, 9)),))],
    )
    page = Page(write_report(out))
    assert page.data["pictures"] == []
    assert page.data["classes"][0]["exemplars"] == []
    assert "not a picture" in page.text


def test_of_very_many_pictures_some_are_shown(make: Make) -> None:
    steps: list[tuple[int, int]] = []
    out = make([f"{i}.jpg" for i in range(7)], "classes")
    data = Page(write_report(out, limit=3, page=2, progress=lambda *s: steps.append(s))).data
    assert [picture["path"] for picture in data["pictures"]] == ["0.jpg", "3.jpg", "6.jpg"]
    assert (data["total"], data["page"]) == (7, 2)
    assert data["classes"][2]["pictures"] == 6  # counted in all pictures: all but the first
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_the_same_folder_gives_the_same_bytes(make: Make) -> None:
    out = make(["a.jpg", "b.jpg"], "classes")
    assert write_report(out).read_bytes() == write_report(out).read_bytes()


def test_an_empty_collection_and_no_collection(tmp_path: Path) -> None:
    write_records(tmp_path / "segments.jsonl", [])
    assert Page(write_report(tmp_path)).data["pictures"] == []
    with pytest.raises(DataError, match=r"it has no segments\.jsonl"):
        write_report(tmp_path / "nowhere")


@pytest.fixture
def browse(tmp_path: Path) -> Callable[[Path, str], str]:
    """Open a report in Chromium, run a script in it and return the page as it then is."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium to run the script of the report")

    def run(report: Path, script: str) -> str:
        page = tmp_path / "out" / "tried.html"
        text = report.read_text(encoding="utf-8")
        page.write_text(text.replace("</body>", f"<script>{script}</script></body>"))
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        flags += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000"]
        command = [browser, *flags, "--dump-dom", page.as_uri()]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=True
        ).stdout

    return run


def test_in_a_browser(make: Make, browse: Callable[[Path, str], str]) -> None:
    out = make(["a.jpg", "b.jpg", "c.jpg"], "classes")
    lines = (out / "segments.jsonl").read_text().replace('"c.jpg"', json.dumps(EVIL))
    (out / "segments.jsonl").write_text(lines)
    write_classes(out / "classes.json", [ClassRecord(3, EVIL, (1, 2, 3))])
    script = """
      const say = (...words) => document.body.append("[" + words.join(" ") + "]");
      window.addEventListener("error", (event) => say("fault", event.message));
      const paths = () => [...document.querySelectorAll(".file-name")].map((e) => e.textContent);
      function set(id, value) {
        at(id).value = value;
        at(id).dispatchEvent(new Event("change"));
      }
      const pressed = () => document.querySelectorAll("[aria-pressed=true]").length;
      say("cards", paths().length, "classes", document.querySelectorAll(".class").length);
      set("only", "3"); say("with 3:", paths().length);
      set("sort", "unsure"); say("unsure:", paths()[0]);
      set("only", ""); set("sort", "most"); say("most:", paths()[0]);
      document.querySelectorAll(".class")[2].click(); say("lit", pressed());
      document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"})); say("dark", pressed());
      const map = decode(data.pictures[1]); say("map", map.length, map[0], map[5], map[700]);
      at("find").value = "nowhere"; at("find").dispatchEvent(new Event("input"));
      say("none", paths().length, document.title === "caught");
    """
    found = browse(write_report(out, title="Tried"), script)
    assert "[fault" not in found
    for said in ("[cards 3 classes 3]", "[with 3: 2]", "[unsure: b.jpg]", "[most: b.jpg]"):
        assert said in found
    assert "[lit 3]" in found  # the class itself and one chip in each of two pictures
    assert "[dark 0]" in found
    assert "[map 768 3 1 0]" in found
    assert "[none 0 false]" in found
