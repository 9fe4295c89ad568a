import json
from pathlib import Path

import pytest

from acseg.app.naming import LONGEST, clean_name, save_names, with_names
from acseg.errors import DataError, RunError


def test_names_become_one_short_line() -> None:
    assert clean_name("  a \n\t road\x00 ") == "a road%00"
    assert clean_name("<b>road</b>") == "<b>road</b>"  # escaped where it is shown, not here
    assert clean_name(" \n ") == ""
    assert len(clean_name("x" * 1000)) == LONGEST


def test_given_names_lie_over_those_of_the_run() -> None:
    assert with_names({1: "a", 2: "b"}, {2: "c", 0: "z"}) == {0: "z", 1: "a", 2: "c"}
    assert with_names({1: "a"}, {1: ""}) == {}


def test_writing_changes_names_and_nothing_else(runs: list[Path]) -> None:
    path = runs[0] / "config.json"
    before = json.loads(path.read_text(encoding="utf-8"))
    assert save_names(runs[0], {1: " été\n", 2: "road"}) == {1: "été", 2: "road"}
    assert save_names(runs[0], {2: ""}) == {1: "été"}
    after = json.loads(path.read_text(encoding="utf-8"))
    assert after.pop("names") == {"1": "été"}
    before.pop("names")
    assert after == before


def test_what_cannot_be_named_is_refused(runs: list[Path], tmp_path: Path) -> None:
    before = (runs[0] / "config.json").read_bytes()
    with pytest.raises(DataError, match="no class 99"):
        save_names(runs[0], {1: "a", 99: "b"})
    assert (runs[0] / "config.json").read_bytes() == before
    with pytest.raises(RunError, match="is no RUN"):
        save_names(tmp_path / "nothing", {1: "a"})
