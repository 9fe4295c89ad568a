import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from acseg.names import distinct, numbered, safe_text


def test_plain_names_stay() -> None:
    assert safe_text("Straße 1 & <b>.jpg") == "Straße 1 & <b>.jpg"
    assert safe_text(Path("a/b.jpg")) == "a/b.jpg"


def test_bytes_that_are_no_text_are_written_out() -> None:
    assert safe_text(os.fsdecode(b"caf\xe9\n.jpg")) == "caf%E9%0A.jpg"


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_file_name_becomes_valid_text(raw: bytes) -> None:
    text = safe_text(raw.decode("utf-8", "surrogateescape"))
    assert text.encode("utf-8").decode("utf-8") == text
    assert text.isprintable() or not any(ord(c) < 32 for c in text)
    assert safe_text(text) == text


def test_lone_surrogates_other_than_bytes_are_written_out() -> None:
    assert safe_text("\ud800") == "%ED%A0%80"


def test_meeting_names_get_their_parent_folders() -> None:
    paths = [Path("/x/left/a.jpg"), Path("/x/right/a.jpg"), Path("/x/b.jpg")]
    assert distinct(["a.jpg", "a.jpg", "b.jpg"], paths) == ["left/a.jpg", "right/a.jpg", "b.jpg"]


def test_a_lengthened_name_that_meets_another_is_lengthened_again() -> None:
    paths = [Path("/x/d/a.jpg"), Path("/y/d/a.jpg"), Path("/z/d/a.jpg")]
    names = distinct(["a.jpg", "a.jpg", "d/a.jpg"], paths)
    assert len(set(names)) == 3
    assert all(str(path).endswith("/" + name) for path, name in zip(paths, names, strict=True))


def test_numbers_where_no_folder_is_left() -> None:
    paths = [Path("/a%E9.jpg"), Path(os.fsdecode(b"/a\xe9.jpg"))]
    assert distinct(["a%E9.jpg", "a%E9.jpg"], paths) == ["a%E9.jpg", "a%E9~2.jpg"]


def test_a_number_that_is_taken_is_passed_over() -> None:
    names = ["sub/a.jpg", "sub/a~2.jpg", "sub/a.jpg", "b.jpg", "sub/a.jpg"]
    found = numbered(names)
    assert found == ["sub/a.jpg", "sub/a~2.jpg", "sub/a~3.jpg", "b.jpg", "sub/a~4.jpg"]
    assert names[2] == "sub/a.jpg"  # the list given stays as it was
