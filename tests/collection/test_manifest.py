import json
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acseg.collection.manifest import Entry, Manifest, forget
from acseg.images.records import Record, parse_record, record_line


def entry(n: int, **changes: object) -> Entry:
    path = f"sub/{n}.jpg"
    record = Record(path, size=(40 + n, 30), labels=f"labels/sub/{n}.png")
    facts = {
        "model": "m",
        "stamp": f"{n}-1",
        "source": f"../{path}",
        "size": (30, 40 + n),
        "files": {f"labels/sub/{n}.png": 7, f"overlays/sub/{n}.jpg": 9},
    }
    return Entry(path, record_line(record), **(facts | changes))  # type: ignore[arg-type]


PLACES = {f"sub/{n}.jpg": n for n in range(5)}


def open_it(path: Path, counts: object = None) -> Manifest:
    return Manifest(path, PLACES, counts or (lambda place, found: True))  # type: ignore[arg-type]


def test_what_is_added_is_known_to_the_next_call_with_all_its_facts(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "m.jsonl"
    with open_it(path) as manifest:
        assert [manifest.known(n) for n in range(5)] == [None] * 5
        for n in (3, 0):
            manifest.add(n, entry(n))
        manifest.add(2, Entry.failed("sub/2.jpg", "broken", kind="concepts"))
        assert manifest.done == 2
    seen: list[tuple[int, Entry]] = []
    with open_it(path, lambda place, found: not seen.append((place, found))) as manifest:
        assert seen == [(3, entry(3)), (0, entry(0))]
        assert [manifest.known(n) for n in range(5)] == [(30, 40), None, None, (30, 43), None]
        paths = [parse_record(line).path for line in manifest.records()]
        assert paths == ["sub/0.jpg", "sub/2.jpg", "sub/3.jpg"]


def test_the_last_line_of_a_picture_counts(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with open_it(path) as manifest:
        manifest.add(1, entry(1))
        manifest.add(1, Entry.failed("sub/1.jpg", "gone now", kind="classes"))
        manifest.add(2, Entry.failed("sub/2.jpg", "broken", kind="classes"))
        manifest.add(2, entry(2))
        assert (manifest.known(1), manifest.known(2)) == (None, (30, 42))
    with open_it(path) as manifest:
        assert (manifest.known(1), manifest.known(2)) == (None, (30, 42))
        assert [parse_record(r).error for r in manifest.records()] == ["gone now", None]


def test_what_does_not_count_is_to_do_but_keeps_its_line_until_it_is_done(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with open_it(path) as manifest:
        manifest.add(0, entry(0))
    with open_it(path, lambda place, found: found.model == "other") as manifest:
        assert manifest.known(0) is None


def test_finishing_sorts_the_lines_and_drops_what_is_old_or_belongs_to_others(
    tmp_path: Path,
) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    with open_it(one) as manifest:
        for n in (4, 1, 0):
            manifest.add(n, entry(n, stamp="old"))
        for n in (4, 1, 0):
            manifest.add(n, entry(n))
        manifest.finish(report=5)
    with Manifest(two, PLACES | {"x": 5}, lambda place, found: True) as manifest:
        manifest.add(5, entry(7))
        for n in range(2):
            manifest.add(n, entry(n))
    with open_it(two) as manifest:
        manifest.add(4, entry(4))
        manifest.finish(report=5)
    assert one.read_bytes() == two.read_bytes()
    with open_it(one) as manifest:
        assert manifest.finished == {"report": 5}
        manifest.add(2, Entry.failed("sub/2.jpg", "broken", kind="concepts"))
        assert manifest.finished == {"report": 5}
        manifest.add(2, entry(2))
        assert manifest.finished == {}
    with open_it(one) as manifest:
        assert manifest.finished == {}


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(0, 3000), rubbish=st.binary(max_size=30))
def test_a_torn_end_costs_the_torn_line_alone(tmp_path: Path, cut: int, rubbish: bytes) -> None:
    path = tmp_path / "m.jsonl"
    path.unlink(missing_ok=True)
    with open_it(path) as manifest:
        for n in range(5):
            manifest.add(n, entry(n))
    data = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == 10]
    torn = data[: max(0, len(data) - cut)]
    path.write_bytes(torn + rubbish)
    whole = sum(end <= len(torn) for end in ends)
    with open_it(path) as manifest:
        assert [n for n in range(5) if manifest.known(n)] == list(range(whole))
        for n in range(whole, 5):
            manifest.add(n, entry(n))
    with open_it(path) as manifest:
        assert manifest.done == 5
        assert len(list(manifest.records())) == 5


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 2000), byte=st.integers(0, 255))
def test_a_damaged_byte_costs_its_line_alone(tmp_path: Path, place: int, byte: int) -> None:
    path = tmp_path / "m.jsonl"
    path.unlink(missing_ok=True)
    with open_it(path) as manifest:
        for n in range(5):
            manifest.add(n, entry(n))
    data = bytearray(path.read_bytes())
    place %= len(data)
    same = data[place] == byte
    line_break = data[place] == 10
    data[place] = byte
    path.write_bytes(bytes(data))
    with open_it(path) as manifest:
        lost = 5 - manifest.done
        assert lost == 0 if same else lost <= (2 if line_break else 1)
        assert lost >= (not same)


@pytest.mark.parametrize(
    "facts",
    [
        '{"path": "sub/1.jpg"}',
        '{"path": "sub/1.jpg", "size": [1], "ok": true}',
        '{"path": "sub/1.jpg", "size": [1, 2], "newer": 1}',
        "[]",
        "no json",
        "3",
    ],
)
def test_whole_lines_of_another_version_do_not_count(tmp_path: Path, facts: str) -> None:
    path = tmp_path / "m.jsonl"
    body = f"{facts}\t{{}}".encode()
    path.write_bytes(b"%08x\t%s\n" % (zlib.crc32(body), body))
    with open_it(path) as manifest:
        assert manifest.done == 0


def test_names_that_are_no_text_and_names_with_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    odd = entry(1, source="../\udcff\n\t\u2028.jpg", files={"labels/a\tb\n.png": 1})
    with open_it(path) as manifest:
        manifest.add(1, odd)
    seen: list[Entry] = []
    with open_it(path, lambda place, found: not seen.append(found)):
        assert seen == [odd]


def test_forgetting_deletes_what_is_named_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = out / ".acseg" / "m.jsonl"
    files = {"labels/a.png": 1, "overlays/a.jpg": 1}
    evil = {"../victim": 1, "labels/../../victim": 1, "mine.txt": 1, str(tmp_path / "victim"): 1}
    for name in [*files, "mine.txt", "labels/other.png", "../victim"]:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("x")
    with open_it(path) as manifest:
        manifest.add(1, entry(1, files=files | evil))
    forget(path, out)
    left = sorted(p.name for p in tmp_path.rglob("*") if p.is_file())
    assert left == ["mine.txt", "other.png", "victim"]
    forget(path, out)


def test_lines_are_json_that_people_can_read(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with open_it(path) as manifest:
        manifest.add(1, entry(1))
    check, facts, record = path.read_text().rstrip("\n").split("\t")
    assert int(check, 16) == zlib.crc32(f"{facts}\t{record}".encode())
    assert json.loads(facts)["stamp"] == "1-1"
    assert parse_record(record).path == "sub/1.jpg"
