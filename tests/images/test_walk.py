import os
from pathlib import Path

import pytest

from acseg.errors import ImageError
from acseg.images.read import read_image
from acseg.images.walk import find_images


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(found: list) -> list[str]:
    return [source.relative for source in found]


def test_a_folder_is_walked_in_order_and_keeps_its_folders(tmp_path: Path) -> None:
    touch(tmp_path / "b.JPG", tmp_path / "a.png", tmp_path / "sub/deep/c.tiff")
    touch(tmp_path / "notes.txt", tmp_path / ".hidden.jpg", tmp_path / ".git/d.jpg")
    sources, failures = find_images([tmp_path])
    assert names(sources) == ["a.png", "b.JPG", "sub/deep/c.tiff"]
    assert sources[0].path == tmp_path / "a.png"
    assert failures == []


def test_a_named_file_is_always_taken(tmp_path: Path) -> None:
    touch(tmp_path / "picture", tmp_path / ".hidden.jpg")
    sources, failures = find_images([tmp_path / "picture", str(tmp_path / ".hidden.jpg")])
    assert names(sources) == ["picture", ".hidden.jpg"]
    assert failures == []


def test_globs_keep_the_folders_below_the_fixed_part(tmp_path: Path) -> None:
    touch(tmp_path / "one/a.jpg", tmp_path / "two/b.jpg", tmp_path / "two/sub/c.png")
    touch(tmp_path / "two/readme.txt")
    assert names(find_images([tmp_path / "*" / "*.jpg"])[0]) == ["one/a.jpg", "two/b.jpg"]
    assert names(find_images([tmp_path / "two/*"])[0]) == ["b.jpg", "sub/c.png"]
    assert names(find_images([tmp_path / "**/*.png"])[0]) == ["two/sub/c.png"]


def test_a_glob_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "sub/b.jpg")
    monkeypatch.chdir(tmp_path)
    sources, _ = find_images(["*"])
    assert names(sources) == ["a.jpg", "sub/b.jpg"]
    assert sources[1].path == tmp_path / "sub/b.jpg"


def test_a_file_whose_name_looks_like_a_glob_is_a_file(tmp_path: Path) -> None:
    touch(tmp_path / "a[1].jpg")
    assert names(find_images([tmp_path / "a[1].jpg"])[0]) == ["a[1].jpg"]


def test_what_is_not_there_is_named_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    touch(tmp_path / "a.jpg")
    sources, failures = find_images(
        [
            tmp_path / "none.jpg",
            tmp_path / "empty",
            tmp_path / "*.gif",
            tmp_path / "pipe",
            tmp_path / "a.jpg",
        ]
    )
    assert names(sources) == ["a.jpg"]
    assert [failure.path for failure in failures] == [
        str(tmp_path / name) for name in ("none.jpg", "empty", "*.gif", "pipe")
    ]
    reasons = [failure.reason for failure in failures]
    assert reasons[0] == "no such file or folder"
    assert "holds no picture" in reasons[1]
    assert ".jpg" in reasons[1]
    assert "nothing that matches" in reasons[2]
    assert "neither a file nor a folder" in reasons[3]


def test_links_are_followed_but_never_in_circles(tmp_path: Path) -> None:
    touch(tmp_path / "in/a.jpg", tmp_path / "else/b.jpg")
    (tmp_path / "in/back").symlink_to(tmp_path / "in")
    (tmp_path / "in/other").symlink_to(tmp_path / "else")
    assert names(find_images([tmp_path / "in"])[0]) == ["a.jpg", "other/b.jpg"]


def test_a_broken_link_is_left_to_the_reader(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to(tmp_path / "gone.jpg")
    assert names(find_images([tmp_path])[0]) == ["a.jpg"]


def test_pipes_in_a_folder_are_listed_so_that_reading_them_names_them(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "pipe")
    touch(tmp_path / "b.jpg")
    (tmp_path / "folder.jpg").mkdir()
    assert names(find_images([tmp_path])[0]) == ["a.jpg", "b.jpg"]
    with pytest.raises(ImageError, match="not a regular file"):
        read_image(tmp_path / "a.jpg")


def test_a_name_that_no_file_can_have_costs_no_other_input(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg")
    sources, failures = find_images(["x" * 5000, tmp_path])
    assert names(sources) == ["a.jpg"]
    assert failures[0].reason == "File name too long"


def test_a_file_reached_twice_is_taken_once(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "b.jpg")
    sources, _ = find_images([tmp_path / "b.jpg", tmp_path])
    assert names(sources) == ["b.jpg", "a.jpg"]


def test_equal_names_of_several_folders_are_kept_apart(tmp_path: Path) -> None:
    touch(tmp_path / "left/a.jpg", tmp_path / "right/a.jpg", tmp_path / "right/b.jpg")
    sources, _ = find_images([tmp_path / "left", tmp_path / "right"])
    assert names(sources) == ["left/a.jpg", "right/a.jpg", "b.jpg"]


def test_excluded_folders_are_not_walked(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "out/labels/a.png")
    sources, _ = find_images([tmp_path], exclude=[tmp_path / "out"])
    assert names(sources) == ["a.jpg"]
    for pattern in ("**/*", "out/*/*.png", "*"):
        sources, _ = find_images(
            [tmp_path / "a.jpg", tmp_path / pattern], exclude=[tmp_path / "out"]
        )
        assert names(sources) == ["a.jpg"]


def test_names_that_are_no_text_do_not_crash(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    try:
        Path(os.fsdecode(raw)).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    sources, _ = find_images([tmp_path])
    assert names(sources) == ["caf%E9.jpg"]
    assert sources[0].path.read_bytes() == b"x"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every folder")
def test_a_shut_folder_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "shut/b.jpg")
    (tmp_path / "shut").chmod(0)
    try:
        sources, failures = find_images([tmp_path])
    finally:
        (tmp_path / "shut").chmod(0o755)
    assert names(sources) == ["a.jpg"]
    assert "cannot be opened" in failures[0].reason


def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def walk(folder: Path, *, onerror: object, **_: object) -> list:
        onerror(PermissionError(13, "Permission denied", str(folder / "shut")))  # type: ignore[operator]
        return []

    monkeypatch.setattr("acseg.images.walk.os.walk", walk)
    _, failures = find_images([tmp_path])
    assert failures[0].path.endswith("shut")
    assert failures[0].reason == "cannot be opened (Permission denied)"


def test_output_folders_below_the_input_are_passed_over_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.jpg", "sub/b.jpg", "sub/out/labels/a.png", "sub/out/overlays/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "sub" / "out" / ".acseg").mkdir()
    for given in (tmp_path, tmp_path / "**" / "*.*", tmp_path / "*"):
        caplog.clear()
        sources, failures = find_images([given, given])
        assert ([s.relative for s in sources], failures) == (["a.jpg", "sub/b.jpg"], [])
        (line,) = caplog.messages
        assert line == f"passed over, as acseg wrote it: {tmp_path / 'sub' / 'out'}"
    caplog.clear()
    find_images([tmp_path], exclude=[tmp_path / "sub" / "out"])  # of this call: nothing to say
    assert caplog.messages == []
    sources, (failure,) = find_images([tmp_path / "sub" / "out"])
    assert sources == []
    assert "holds no picture" in failure.reason


def test_pictures_beside_what_acseg_wrote_are_found(tmp_path: Path) -> None:
    for name in ("a.jpg", "labels/a.png", "overlays/a.jpg", "sheets/1.jpg", "deep/labels/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".acseg").mkdir()
    for given in (tmp_path, tmp_path / "**" / "*.*"):
        assert [s.relative for s in find_images([given])[0]] == ["a.jpg", "deep/labels/b.png"]
