"""The application as it is served, asked by a client that keeps no rules."""

import http.client
import io
import json
import os
import re
import tempfile
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from acseg.model.folder import edits_of
from acseg.output import Output
from acseg.output.label_png import read_labels

Png = Callable[..., bytes]


class Client:
    """One visitor: keeps its cookie, and sends a path as it is, dots and all."""

    def __init__(self, address: str) -> None:
        self.host = address.removeprefix("http://")
        _, page, headers = self.ask("/", headers={"Cookie": ""})
        self.cookie = headers["set-cookie"].split(";")[0]
        found = re.search(r'name="token" content="([^"]+)"', page.decode())
        assert found is not None
        self.token = found[1]
        self.set_cookie = headers["set-cookie"]

    def ask(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        own = {"Cookie": self.cookie} if headers is None or "Cookie" not in headers else {}
        if body is not None:
            own["X-Acseg-Token"] = self.token
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            method = "GET" if body is None else "POST"
            connection.request(method, path, body=body, headers={**own, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        status, content, _ = self.ask(path)
        assert status == 200, content
        return json.loads(content)

    def post(self, path: str, **asked: Any) -> tuple[int, Any]:
        status, content, _ = self.ask(path, json.dumps(asked).encode())
        return status, json.loads(content) if status == 200 else content.decode()

    def drop(self, data: bytes, name: str = "a.png") -> dict[str, Any]:
        status, content, _ = self.ask("/api/drop", data, {"X-Name": quote(name)})
        assert status == 200, content
        return dict(json.loads(content))


@pytest.fixture
def client(site: Any) -> Client:
    return Client(site.address)


def test_the_page_names_nothing_of_this_machine_or_the_network(site: Any, client: Client) -> None:
    _, page, headers = client.ask("/")
    assert "script-src 'self';" in headers["content-security-policy"]
    everything = page + client.ask("/page.js")[1] + client.ask("/page.css")[1]
    everything += client.ask("/api/state")[1] + client.ask("/api/state?folder=0")[1]
    for private in (str(site.root), tempfile.gettempdir() + "/", os.path.expanduser("~")):
        assert private == "/" or private not in everything.decode()
    assert b"http:" not in everything
    assert b"https:" not in everything
    assert b"<script>" not in page
    assert "HttpOnly" in client.set_cookie
    assert "samesite=strict" in client.set_cookie.casefold()


def test_nothing_but_the_page_is_served(site: Any, client: Client) -> None:
    secret, out = site.root / "secret.txt", site.root / "out"
    targets = [str(secret), str(out / "segments.jsonl"), "/etc/passwd", "../../secret.txt",
               "../../../../../../etc/passwd", "http://127.0.0.1:1/"]  # fmt: skip
    doors = ["/", "/api/", "/api/picture/", "/api/picture/x/", "/api/folder/0/", "/api/folder/9/",
             "/api/folder/0/labels.png?path=", "/api/folder/0/large.jpg?path=", "/api/sample/",
             "/page.js/", "/static/"]  # fmt: skip
    for door in doors:
        for target in targets:
            for path in (door + target, door + quote(target), door + quote(target, safe="")):
                status, content, _ = client.ask(path.replace("//", "/", 1))
                assert status in (404, 422), path
                assert b"secret" not in content
                assert b"root:" not in content


def test_posts_from_elsewhere_change_nothing(site: Any, client: Client, png: Png) -> None:
    before = edits_of(site.root / "model")
    edit = client.get("/api/state?folder=0")["edit"]
    asked = json.dumps({**edit, "do": "rename", "id": 0, "name": "evil"}).encode()
    for headers in (
        {"X-Acseg-Token": "guessed"},
        {"Origin": "http://evil.example"},
        {"Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert client.ask("/api/edit", asked, headers)[0] == 403
        assert client.ask("/api/drop", png(), headers)[0] == 403
    assert edits_of(site.root / "model") == before
    assert client.get("/api/state")["pictures"] == []


def test_a_dropped_picture_is_drawn_as_the_command_draws_it(
    site: Any, client: Client, png: Png
) -> None:
    picture = client.drop(png(0), "x/my \u201cphoto\u201d.png")["picture"]
    assert picture["path"] == "x/my \u201cphoto\u201d.png"
    assert picture["size"] == [80, 60]
    status, content, headers = client.ask(picture["files"]["labels.png"])
    assert status == 200
    assert headers["cache-control"] == "no-store"
    path = site.root / "labels.png"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_labels(path), read_labels(site.root / "out/labels/a.png"))
    found = {each["id"]: each["pixels"] for each in picture["found"]}
    ids, counts = np.unique(read_labels(path), return_counts=True)
    assert found == dict(zip(ids.tolist(), counts.tolist(), strict=True))
    with Image.open(io.BytesIO(client.ask(picture["files"]["overlay.jpg"])[1])) as overlay:
        assert (overlay.format, overlay.size) == ("JPEG", (80, 60))
    coco = client.get(picture["files"]["coco.json"])
    assert sum(item["area"] for item in coco["annotations"]) == 80 * 60
    for wrong in ("", "other", "../labels.png", "labels.png/x"):
        assert client.ask(f"/api/picture/{picture['word']}/{wrong}")[0] == 404


def test_granularity_holds_for_downloads(site: Any, client: Client, png: Png) -> None:
    assert client.post("/api/choose", model=0, kind="concepts")[0] == 200
    picture = client.drop(png(0))["picture"]
    address = picture["files"]["labels.png"]
    (site.root / "c.png").write_bytes(client.ask(address)[1])
    np.testing.assert_array_equal(
        read_labels(site.root / "c.png"), read_labels(site.root / "concepts/labels/a.png")
    )
    (site.root / "c.png").write_bytes(client.ask(address + "?granularity=0")[1])
    assert set(np.unique(read_labels(site.root / "c.png"))) == {0}
    (site.root / "c.png").write_bytes(client.ask(address + "?granularity=1")[1])
    assert len(np.unique(read_labels(site.root / "c.png"))) == len(picture["there"])
    for wrong in ("2", "-1", "nan", "x", ""):
        assert client.ask(f"{address}?granularity={wrong}")[0] == 422


def test_a_name_cannot_split_the_headers(client: Client, png: Png) -> None:
    picture = client.drop(png(), 'a"\r\nSet-Cookie: b=1\r\n\r\n<x>.png')["picture"]
    status, _, headers = client.ask(picture["files"]["overlay.jpg"])
    assert status == 200
    assert "set-cookie" not in {h.casefold() for h in headers}
    assert "%22%250D%250ASet-Cookie" in headers["content-disposition"]


def test_what_is_no_picture_is_said_and_not_kept(client: Client, png: Png) -> None:
    wide = io.BytesIO()
    Image.new("L", (300, 300)).save(wide, format="PNG")
    for data, words in (
        (b"these are notes", "not a picture"),
        (b"", "empty"),
        (png()[:400], "broken or truncated"),
        (wide.getvalue(), "300 x 300 pixels, more than the 0.05 million"),
    ):
        answer = client.drop(data, "note.png")
        assert answer["reason"].startswith("note.png: ")
        assert words in answer["reason"]
    assert client.ask("/api/drop", b"x" * 200_001)[0] == 413
    assert client.get("/api/state")["pictures"] == []


def test_visitors_do_not_reach_each_other(site: Any, png: Png) -> None:
    first, second = Client(site.address), Client(site.address)
    picture = first.drop(png(0))["picture"]
    for _ in range(12):
        second.ask("/api/drop", png(1), {"X-Name": "b.png"})
    assert len(second.get("/api/state")["pictures"]) <= 6
    assert first.ask(picture["large"])[0] == 200
    assert second.ask(picture["large"])[0] == 404
    assert second.post("/api/forget", word=picture["word"])[0] == 200
    assert second.post("/api/draw", word=picture["word"])[0] == 404
    assert first.ask(picture["files"]["labels.png"])[0] == 200
    assert first.ask("/api/state", headers={"Cookie": ""})[0] == 422
    assert second.post("/api/forget")[0] == 200
    assert second.get("/api/state")["pictures"] == []


def test_edits_reach_model_and_output_folder_and_stale_ones_do_not(
    site: Any, client: Client, png: Png
) -> None:
    out, model = site.root / "out", site.root / "model"
    labels = read_labels(out / "labels/a.png")
    ids = [int(c) for c in np.unique(labels)]
    into, gone = ids[0], ids[-1]
    assert gone != into
    picture = client.drop(png(0))["picture"]

    def edit(**asked: Any) -> tuple[int, Any]:
        now = client.get("/api/state?folder=0")["edit"]
        return client.post(
            "/api/edit", **{"model": now["model"], "version": now["version"], **asked}
        )

    stale = client.get("/api/state?folder=0")["edit"]["version"]
    assert edit(do="rename", id=into, name="<b>grass</b>") == (200, {"failed": []})
    assert edit(do="merge", id=gone, into=into) == (200, {"failed": []})
    status, words = edit(do="rename", id=into, name="late", version=stale)
    assert status == 409
    assert "changed elsewhere" in words
    assert edits_of(model).names == {into: "<b>grass</b>"}
    assert edits_of(model).becomes == {gone: into}
    merged = np.where(labels == gone, into, labels)
    np.testing.assert_array_equal(read_labels(out / "labels/a.png"), merged)
    names = {s.name for r in Output(out).records() for s in r.segments if s.id == into}
    assert names == {"<b>grass</b>"}
    (site.root / "l.png").write_bytes(client.ask(picture["files"]["labels.png"])[1])
    np.testing.assert_array_equal(read_labels(site.root / "l.png"), merged)
    assert gone not in [item["id"] for item in client.get("/api/state")["classes"]]

    assert edit(do="undo") == (200, {"failed": []})
    np.testing.assert_array_equal(read_labels(out / "labels/a.png"), labels)
    assert edit(do="undo") == (200, {"failed": []})
    assert edit(do="undo")[0] == 422
    assert edits_of(model) == edits_of(model).reset()
    for wrong in (b"[]", b"{", b'{"model": 9}', b'{"model": "0"}', b"\xff"):
        assert client.ask("/api/edit", wrong)[0] == 422


def test_links_in_a_folder_are_not_followed(site: Any, client: Client, png: Png) -> None:
    state = client.get("/api/state?folder=1")
    picture = next(p for p in state["pictures"] if p["path"] == "sub/b.png")
    place = site.root / "concepts/labels/sub/b.png"
    content = place.read_bytes()
    secret = site.root / "secret.png"
    secret.write_bytes(content)
    place.unlink()
    place.symlink_to(secret)
    try:
        assert client.ask(picture["files"]["labels.png"])[0] == 422
        assert client.ask(picture["more"])[0] == 422
    finally:
        place.unlink()
        place.write_bytes(content)
    assert client.ask(picture["files"]["labels.png"])[1] == content


def test_pictures_of_a_folder_are_given_whole(site: Any, client: Client, evil: str) -> None:
    state = client.get("/api/state?folder=1")
    assert state["kind"] == "concepts"
    assert state["edit"] is None
    assert sorted(p["path"] for p in state["pictures"]) == ["a.png", f"sub/{evil}", "sub/b.png"]
    for picture in state["pictures"]:
        for address in (picture["photo"], picture["large"]):
            with Image.open(io.BytesIO(client.ask(address)[1])) as shown:
                assert shown.format == "JPEG"
        assert client.get(picture["more"])["labels"]
    assert client.ask("/api/state?folder=7")[0] == 404


def test_samples_are_shown_and_drawn(client: Client) -> None:
    count = client.get("/api/state")["samples"]
    if count == 0:
        pytest.skip("needs the sample photographs of scikit-image or scikit-learn")
    with Image.open(io.BytesIO(client.ask("/api/sample/0")[1])) as thumbnail:
        assert min(thumbnail.size) <= 160
    assert "pixels, more than" in client.post("/api/sample/0")[1]["reason"]  # of these tests
    assert client.ask(f"/api/sample/{count}")[0] == 422
