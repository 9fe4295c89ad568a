import json
from pathlib import Path

import pytest

from acseg import ACSeg
from acseg.cluster.remote import PARTS, run_remote
from acseg.cluster.spread import run_spread, whole_address
from acseg.cluster.store import Store
from acseg.collection import run_collection
from acseg.errors import DataError

pytestmark = pytest.mark.usefixtures("small_chunks")


def files_of(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and ".acseg" not in path.parts and path.name != "index.html"
    }


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> ACSeg:
    return ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")


def upload(folder: Path, where: str) -> None:
    store = Store(where)
    for path in folder.rglob("*.png"):
        store.put(str(path.relative_to(folder)), path.read_bytes())


def without_sources(lines: bytes) -> list[dict[str, object]]:
    return [{**json.loads(line), "source": None} for line in lines.splitlines()]


@pytest.mark.parametrize("kind", ["concepts", "classes"])
def test_a_store_gives_the_bytes_of_one_machine(
    model: ACSeg, pictures: Path, tmp_path: Path, without_ray: list[str], kind: str
) -> None:
    where = f"file://{tmp_path}/store"
    upload(pictures, where)
    one = run_collection(model, [pictures], tmp_path / "one", kind=kind)  # type: ignore[arg-type]
    many = run_remote(model, [where], str(tmp_path / "many"), kind=kind)  # type: ignore[arg-type]
    assert len(without_ray) == 3
    assert (many.written, many.concepts) == (one.written, one.concepts)
    assert [path for path, _ in many.failed] == ["broken.png"] == [p for p, _ in one.failed]
    first, second = files_of(tmp_path / "one"), files_of(tmp_path / "many")
    assert without_sources(first.pop("segments.jsonl")) == without_sources(
        second.pop("segments.jsonl")
    )
    assert first == second


def test_the_same_call_again_does_only_what_failed_or_changed(
    model: ACSeg, pictures: Path, tmp_path: Path, without_ray: list[str]
) -> None:
    where, out = f"file://{tmp_path}/store", f"file://{tmp_path}/out"
    upload(pictures, where)
    run_remote(model, [where], out)
    without_ray.clear()
    again = run_remote(model, [where], out)
    assert len(without_ray) == 1  # the chunk with the broken picture
    assert again.reused == 7
    (tmp_path / "store" / "sub" / "9.png").write_bytes((pictures / "1.png").read_bytes())
    (tmp_path / "store" / "broken.png").unlink()
    without_ray.clear()
    changed = run_remote(model, [where], out)
    assert changed.failed == []
    assert changed.written == 10
    without_ray.clear()
    assert run_remote(model, [where], out).reused == 10
    assert without_ray == []
    run_remote(model, [where], out, overwrite=True)
    assert len(without_ray) == 3


def test_a_driver_that_dies_loses_no_chunk(
    model: ACSeg,
    pictures: Path,
    tmp_path: Path,
    without_ray: list[str],
) -> None:
    where, out = f"file://{tmp_path}/store", f"file://{tmp_path}/out"
    upload(pictures, where)

    class Died(Exception):
        pass

    def die(task: str, done: int, of: int, note: str) -> None:
        raise Died

    with pytest.raises(Died):
        run_remote(model, [where], out, progress=die)
    assert Store(out).get(f"{PARTS}/00000000.json") is not None
    without_ray.clear()
    run_remote(model, [where], out)
    assert len(without_ray) == 2


def test_a_broken_note_is_done_again(
    model: ACSeg, pictures: Path, tmp_path: Path, without_ray: list[str]
) -> None:
    where, out = f"file://{tmp_path}/store", f"file://{tmp_path}/out"
    upload(pictures, where)
    run_remote(model, [where], out)
    Store(out).put(f"{PARTS}/00000000.json", b'{"torn')
    without_ray.clear()
    run_remote(model, [where], out)
    assert len(without_ray) == 2  # that one, and the one with the broken picture


def test_an_object_that_vanishes_is_named_and_the_rest_done(
    model: ACSeg, pictures: Path, tmp_path: Path, without_ray: list[str], monkeypatch: object
) -> None:
    from acseg.cluster import remote

    where = f"file://{tmp_path}/store"
    upload(pictures, where)
    found = remote.find_items([where])
    (tmp_path / "store" / "1.png").unlink()
    monkeypatch.setattr(remote, "find_items", lambda inputs: found)  # type: ignore[attr-defined]
    outcome = run_remote(model, [where], str(tmp_path / "out"))
    assert outcome.written == 9
    assert dict(outcome.failed)["1.png"].startswith("cannot be fetched")


def test_folders_go_the_way_that_writes_the_report(
    model: ACSeg,
    pictures: Path,
    tmp_path: Path,
    without_ray: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from acseg.cluster import spread

    monkeypatch.setattr(spread, "start_ray", lambda address: None)
    run_collection(model, [pictures], tmp_path / "one")
    outcome = run_spread(model, [str(pictures)], tmp_path / "many")
    assert outcome.report == tmp_path / "many" / "index.html"
    assert files_of(tmp_path / "one") == files_of(tmp_path / "many")
    assert len(without_ray) == 3
    without_ray.clear()
    again = run_collection(model, [pictures], tmp_path / "many")  # one machine goes on
    assert again.reused == 10
    run_spread(model, [str(pictures)], tmp_path / "many")
    assert len(without_ray) == 1  # the chunk with the broken picture


def test_nothing_to_do_is_said(model: ACSeg, tmp_path: Path) -> None:
    outcome = run_remote(model, [f"memory://{tmp_path.name}/none"], str(tmp_path / "out"))
    assert outcome.written == 0
    assert len(outcome.failed) == 1
    with pytest.raises(DataError, match="no picture found"):
        run_remote(model, [], str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ("s3:/bucket/a", "s3://bucket/a"),
        ("s3://bucket/a", "s3://bucket/a"),
        ("photos/a", "photos/a"),
        ("/photos", "/photos"),
    ],
)
def test_paths_leave_addresses_whole(given: str, whole: str) -> None:
    assert whole_address(given) == whole
    assert whole_address(Path(given)) == whole
