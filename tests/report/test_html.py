import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acseg.errors import DataError
from acseg.model.segmentation import Segmentation
from acseg.output.label_png import write_labels
from acseg.output.names import label_name, overlay_of
from acseg.output.records import (
    ClassRecord,
    Exemplar,
    Record,
    read_records,
    write_classes,
    write_records,
)
from acseg.report import html
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
        if tag in ("input", "select") and "label" not in self.open and "aria-label" not in given:
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
    for attribute in ("aria-labelledby", "aria-controls"):
        assert {given[attribute] for _, given in page.elements if attribute in given} <= set(ids)
    assert set(re.findall(r'\bat\("([\w-]+)"\)', page.source)) <= set(ids)
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
        {"id": 0, "pixels": 336, "confidence": 0.5, "name": None},
        {"id": 1, "pixels": 336, "confidence": 0.25, "name": None},
        {"id": 3, "pixels": 96, "confidence": None, "name": None},
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
    assert not [tag for tag, given in page.elements if tag == "img" and "src" in given]
    assert page.source.count("</script>") == 2
    assert "<!--" not in page.source
    assert page.data["pictures"][0]["path"] == EVIL
    assert page.data["failures"][0] == {"path": EVIL, "reason": EVIL}
    assert page.text.count(EVIL) == 2  # title and heading


def test_failures_are_listed_with_their_reason(make: Make) -> None:
    out = make(["a.jpg", "b.jpg", "c.jpg"])
    with (out / "segments.jsonl").open("a") as file:
        file.write('{"path": "d.jpg", "status": "failed", "error": "the file is empty"}\n')
        file.write('{"path": "e.jpg", "status": "failed"}\n')
    (out / "labels/b.png").unlink()
    page = Page(write_report(out))
    assert [picture["path"] for picture in page.data["pictures"]] == ["a.jpg", "c.jpg"]
    reasons = {item["path"]: item["reason"] for item in page.data["failures"]}
    assert list(reasons) == ["d.jpg", "e.jpg", "b.jpg"]
    assert reasons["d.jpg"] == "the file is empty"
    assert reasons["e.jpg"] == "no reason given"
    assert "labels/b.png: no such file" in reasons["b.jpg"]


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
    assert "not a picture" in page.data["failures"][0]["reason"]


def test_of_very_many_pictures_some_are_shown(make: Make) -> None:
    steps: list[tuple[int, int]] = []
    out = make([f"{i}.jpg" for i in range(7)], "classes")
    data = Page(write_report(out, limit=3, progress=lambda *s: steps.append(s))).data
    assert [picture["path"] for picture in data["pictures"]] == ["0.jpg", "3.jpg", "6.jpg"]
    assert data["total"] == 7
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


def test_leaves_are_there_where_they_were_kept_until_they_are_too_many(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = make(["a.jpg", "b.jpg", "c.jpg"])
    tree = {"merges": [[0, 1]], "heights": [0.4], "sizes": [3, 5], "threshold": 0.5}
    records = [replace(r, tree=tree) for r in read_records(out / "segments.jsonl")]
    write_records(out / "segments.jsonl", records)
    leaves = np.zeros((24, 32), np.uint8)
    leaves[:, 9:] = 1
    write_labels(out / ".acseg/leaves/a.png", leaves)
    write_labels(out / ".acseg/leaves/b.png", leaves + 1)  # not of this tree
    first, second, third = Page(write_report(out)).data["pictures"]
    assert first["tree"] == tree
    assert base64.b64decode(first["leaves"])[:4] == bytes([0, 8, 1, 22])
    assert "tree" not in second
    assert "tree" not in third
    monkeypatch.setattr(html, "LEAF_BYTES", 50)
    assert "leaves" not in Page(write_report(out)).data["pictures"][0]
