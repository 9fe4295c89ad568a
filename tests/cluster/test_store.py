from pathlib import Path

import pytest

from acseg.cluster.store import Store, is_remote, walk_files
from acseg.errors import DataError


@pytest.fixture(params=["folder", "file", "memory"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {
        "folder": str(tmp_path / "out"),
        "file": f"file://{tmp_path}/out",
        "memory": f"memory://{tmp_path.name}/out",
    }[request.param]


def test_what_is_put_is_there(where: str, tmp_path: Path) -> None:
    store = Store(where)
    assert store.get("a/b.txt") is None
    store.put("a/b.txt", b"one")
    store.put("a/b.txt", b"two")
    local = tmp_path / "local.bin"
    local.write_bytes(b"three")
    store.put_file("c.bin", local)
    assert (store.get("a/b.txt"), store.get("c.bin")) == (b"two", b"three")
    store.remove("a")
    store.remove("never there")
    assert store.get("a/b.txt") is None
    assert store.get("c.bin") == b"three"


def test_files_are_listed_with_their_state(tmp_path: Path) -> None:
    where = f"memory://{tmp_path.name}/list"
    store = Store(where)
    store.put("b/2.png", b"12")
    store.put("1.png", b"1")
    listed = list(walk_files(where))
    assert [(Path(name).name, size) for name, size, _ in listed] == [("1.png", 1), ("2.png", 2)]
    store.put("1.png", b"another")
    assert next(walk_files(where))[2] != listed[0][2]


@pytest.mark.parametrize(
    ("where", "remote"),
    [("photos", False), ("/photos", False), ("C:\\photos", False), ("s3://bucket/photos", True)],
)
def test_an_address_is_told_from_a_path(where: str, remote: bool) -> None:
    assert is_remote(where) is remote


def test_a_store_that_nothing_opens_is_named() -> None:
    with pytest.raises(DataError, match=r"magic://x.*pip install 'acseg\[ray\]'"):
        Store("magic://x")
