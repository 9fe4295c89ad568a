import json
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acseg.output.manifest import Entry, Manifest
from acseg.output.records import Record, parse_record, record_line


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


def done(manifest: Manifest) -> list[str]:
    return sorted(entry.path for entry in manifest.entries() if entry.ok)


def test_what_is_added_is_known_to_the_next_call_with_all_its_facts(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "m.jsonl"
    with Manifest(path) as manifest:
        assert list(manifest) == []
        for n in (3, 0):
            manifest.add(entry(n))
        manifest.add(Entry.failed("sub/2.jpg", "broken", kind="concepts"))
        assert manifest.get("sub/3.jpg") == entry(3)
    with Manifest(path) as manifest:
        assert list(manifest) == ["sub/3.jpg", "sub/0.jpg", "sub/2.jpg"]
        assert [manifest.get(f"sub/{n}.jpg") for n in (3, 0, 1)] == [entry(3), entry(0), None]
        assert "sub/1.jpg" not in manifest
        assert done(manifest) == ["sub/0.jpg", "sub/3.jpg"]


def test_the_last_line_of_a_picture_counts(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with Manifest(path) as manifest:
        manifest.add(entry(1))
        manifest.add(Entry.failed("sub/1.jpg", "gone now", kind="classes"))
        manifest.add(Entry.failed("sub/2.jpg", "broken", kind="classes"))
        manifest.add(entry(2))
        assert done(manifest) == ["sub/2.jpg"]
    with Manifest(path) as manifest:
        assert done(manifest) == ["sub/2.jpg"]
        assert [parse_record(e.record).error for e in manifest.entries()] == ["gone now", None]


def test_sorting_keeps_the_last_lines_in_the_order_given_and_drops_all_others(
    tmp_path: Path,
) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    order = [f"sub/{n}.jpg" for n in range(5)]
    with Manifest(one) as manifest:
        for n in (4, 1, 0):
            manifest.add(entry(n, stamp="old"))
        for n in (4, 1, 0):
            manifest.add(entry(n))
        manifest.sort(order)
        assert manifest.get("sub/4.jpg") == entry(4)
        manifest.note(report=5)
    with Manifest(two) as manifest:
        for n in (7, 0, 1):
            manifest.add(entry(n))
    with Manifest(two) as manifest:
        manifest.add(entry(4))
        manifest.sort(order)
        manifest.note(report=5)
    assert one.read_bytes() == two.read_bytes()
    with Manifest(one) as manifest:
        assert manifest.finished == {"report": 5}
        manifest.add(Entry.failed("sub/2.jpg", "broken", kind="concepts"))
        assert manifest.finished == {"report": 5}
        manifest.add(entry(2))
        assert manifest.finished == {}
    with Manifest(one) as manifest:
        assert manifest.finished == {}


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(0, 3000), rubbish=st.binary(max_size=30))
def test_a_torn_end_costs_the_torn_line_alone(tmp_path: Path, cut: int, rubbish: bytes) -> None:
    path = tmp_path / "m.jsonl"
    path.unlink(missing_ok=True)
    with Manifest(path) as manifest:
        for n in range(5):
            manifest.add(entry(n))
    data = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == 10]
    torn = data[: max(0, len(data) - cut)]
    path.write_bytes(torn + rubbish)
    whole = sum(end <= len(torn) for end in ends)
    with Manifest(path) as manifest:
        assert done(manifest) == [f"sub/{n}.jpg" for n in range(whole)]
        for n in range(whole, 5):
            manifest.add(entry(n))
    with Manifest(path) as manifest:
        assert len(done(manifest)) == 5


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(0, 2000), byte=st.integers(0, 255))
def test_a_damaged_byte_costs_its_line_alone(tmp_path: Path, place: int, byte: int) -> None:
    path = tmp_path / "m.jsonl"
    path.unlink(missing_ok=True)
    with Manifest(path) as manifest:
        for n in range(5):
            manifest.add(entry(n))
    data = bytearray(path.read_bytes())
    place %= len(data)
    same = data[place] == byte
    line_break = data[place] == 10
    data[place] = byte
    path.write_bytes(bytes(data))
    with Manifest(path) as manifest:
        lost = 5 - len(done(manifest))
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
    with Manifest(path) as manifest:
        assert done(manifest) == []


def test_names_that_are_no_text_and_names_with_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    odd = entry(1, source="../\udcff\n\t\u2028.jpg", files={"labels/a\tb\n.png": 1})
    with Manifest(path) as manifest:
        manifest.add(odd)
    with Manifest(path) as manifest:
        assert list(manifest.entries()) == [odd]


def test_lines_are_json_that_people_can_read(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with Manifest(path) as manifest:
        manifest.add(entry(1))
    check, facts, record = path.read_text().rstrip("\n").split("\t")
    assert int(check, 16) == zlib.crc32(f"{facts}\t{record}".encode())
    assert json.loads(facts)["stamp"] == "1-1"
    assert parse_record(record).path == "sub/1.jpg"
