from pathlib import Path
from typing import Any

import pytest

from acseg.app.guard import Refused
from acseg.app.limits import Budget, Limits
from acseg.app.models import Served, change_of, clean_name, describe_gone, version_of
from acseg.errors import DataError, ModelError
from acseg.model.folder import edits_of, write_names


@pytest.fixture
def served(folders: Path) -> Served:
    return Served(str(folders / "model"), "cpu", Limits(), Budget(10**9))


def version(served: Served) -> str:
    edits = served.edits()
    assert edits is not None
    return version_of(edits)


def do(served: Served, **asked: Any) -> None:
    served.change(version(served), change_of(asked))


def test_changes_stand_in_the_model_folder_and_are_taken_back(served: Served) -> None:
    assert served.folder is not None
    do(served, do="rename", id=0, name="  tall \n grass ")
    do(served, do="merge", id=1, into=0)
    do(served, do="drop", id=2)
    found = edits_of(served.folder)
    assert (found.names, found.becomes) == ({0: "tall grass"}, {1: 0, 2: 255})
    assert describe_gone(found) == [
        {"id": 1, "name": None, "into": 0},
        {"id": 2, "name": None, "into": None},
    ]
    do(served, do="undo")
    assert edits_of(served.folder).becomes == {1: 0}
    do(served, do="split", id=1)
    do(served, do="undo")
    do(served, do="undo")
    do(served, do="undo")
    assert edits_of(served.folder) == edits_of(served.folder).reset()
    with pytest.raises(DataError, match="nothing to take back"):
        do(served, do="undo")


def test_a_stale_change_is_refused_and_writes_nothing(served: Served) -> None:
    assert served.folder is not None
    before = version(served)
    do(served, do="rename", id=0, name="first")
    with pytest.raises(Refused) as caught:
        served.change(before, change_of({"do": "rename", "id": 0, "name": "second"}))
    assert caught.value.status == 409
    assert edits_of(served.folder).names == {0: "first"}


def test_what_a_command_changed_meanwhile_is_seen_and_not_undone(served: Served) -> None:
    assert served.folder is not None
    do(served, do="rename", id=0, name="mine")
    write_names(served.folder, {0: "theirs"}, {})
    with pytest.raises(DataError, match="nothing to take back"):
        do(served, do="undo")
    assert edits_of(served.folder).names == {0: "theirs"}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"do": "rename"},
        {"do": "rename", "id": "0"},
        {"do": "rename", "id": True},
        {"do": "merge", "id": 0},
        {"do": "merge", "id": 0, "into": 0},
        {"do": "merge", "id": 0, "into": 9},
        {"do": "drop", "id": -1},
        {"do": "split", "id": 0},
        {"do": "format", "id": 0},
    ],
)
def test_senseless_changes_are_errors(served: Served, asked: dict[str, Any]) -> None:
    before = version(served)
    with pytest.raises(DataError):
        do(served, **asked)
    assert version(served) == before


def test_names_are_cleaned() -> None:
    assert clean_name(" a \t b\u202e ") == "a b%E2%80%AE"
    assert len(clean_name("x" * 5000)) == 200
    assert clean_name(" \n") == ""


def test_a_folder_that_is_no_model_is_told_at_once(app_root: Path, tmp_path: Path) -> None:
    for folder in (app_root / "out", tmp_path):
        with pytest.raises(ModelError):
            Served(str(folder), "cpu", Limits(), Budget(1))
