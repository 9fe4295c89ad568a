from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from acseg import demo
from acseg.errors import DataError
from acseg.images.read import read_image


def test_there_are_at_least_eight_sample_photographs_and_all_can_be_read() -> None:
    found = demo.sample_photographs()
    assert len(found) >= 8
    assert len({path.name for path in found}) == len(found)
    for path in found:
        assert read_image(path, short_side=64).shape[2] == 3


def spec_in(folder: Path) -> Callable[[str], ModuleSpec | None]:
    def find(name: str) -> ModuleSpec | None:
        return ModuleSpec(name, None, origin=str(folder / name / "__init__.py"))

    return find


def test_only_what_is_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = tmp_path / "skimage" / "data" / "coffee.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"x")
    monkeypatch.setattr(demo, "find_spec", spec_in(tmp_path))
    assert demo.sample_photographs() == [picture]


def test_without_any_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'acseg\[demo\]'"):
        demo.sample_photographs()
