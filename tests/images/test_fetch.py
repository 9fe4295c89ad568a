import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from acseg.errors import ImageError
from acseg.images.fetch import fetch, is_url


class Handler(BaseHTTPRequestHandler):
    """A server with one good file and many bad habits."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        where, body = self.path.partition("?")[0], b"a picture" * 1000
        if where == "/moved":
            self.redirect("/good.jpg")
        elif where == "/file":
            self.redirect("file:///etc/hostname")
        elif where == "/ftp":
            self.redirect("ftp://127.0.0.1/x")
        elif where == "/round":
            self.redirect("/round")
        elif where in ("/good.jpg", "/a%20b.jpg", "/%C3%A4.jpg"):
            self.answer(len(body), body)
        elif where == "/large":
            self.answer(10**9, b"x")
        elif where == "/short":
            self.answer(10 * len(body), body)
        elif where == "/slow":
            time.sleep(3)
        elif where in ("/endless", "/drip"):
            self.answer(None, b"")
            try:
                while True:
                    self.wfile.write(b"x" * (10_000 if where == "/endless" else 1))
                    time.sleep(0 if where == "/endless" else 0.05)
            except OSError:
                pass
        else:
            self.send_error(404)

    def answer(self, length: int | None, body: bytes) -> None:
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, where: str) -> None:
        self.send_response(302)
        self.send_header("Location", where)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []  # type: ignore[attr-defined]
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    "path", ["good.jpg", "moved", "a b.jpg", "a%20b.jpg", "ä.jpg", "good.jpg?a=1"]
)
def test_what_is_there_is_fetched(server: str, path: str) -> None:
    assert fetch(f"http://{server}/{path}") == b"a picture" * 1000


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("none.jpg", "the server answers 404"),
        ("large", "more than the 100,000,000 bytes allowed"),
        ("short", "broke off after 9,000 of 90,000 bytes"),
        ("slow", "no answer within 0.5 seconds"),
        ("drip", "takes longer than 1 seconds"),
        ("file", "the server answers 302"),
        ("ftp", "unknown url type"),
        ("round", "the server answers 302"),
    ],
)
def test_what_goes_wrong_is_named(server: str, path: str, reason: str) -> None:
    url = f"http://{server}/{path}"
    with pytest.raises(ImageError, match=reason) as caught:
        fetch(url, pause=0.5, seconds=1)
    assert str(caught.value).startswith(f"{url}: ")


def test_an_endless_answer_ends(server: str) -> None:
    with pytest.raises(ImageError, match="more than the 50,000 bytes allowed"):
        fetch(f"http://{server}/endless", most_bytes=50_000)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/a.jpg", "http://", "http://nowhere.invalid/a", "https://[::1/a"]
)
def test_where_nothing_answers_is_an_image_error(url: str) -> None:
    with pytest.raises(ImageError):
        fetch(url, pause=1)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(ImageError) as caught:
        fetch("http://me:secret@127.0.0.1:1/a.jpg")
    assert str(caught.value).startswith("http://127.0.0.1:1/a.jpg: ")
    assert "secret" not in str(caught.value)


def test_what_is_an_url() -> None:
    assert is_url("http://a/b.jpg")
    assert is_url("HTTPS://a/b.jpg")
    for other in ("http.jpg", "file:///a", "ftp://a/b", b"http://a", None):
        assert not is_url(other)
