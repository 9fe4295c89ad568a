import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acseg import ACSeg
from acseg.errors import DataError, ModelError
from acseg.output.lock import locked
from acseg.training import state
from acseg.training.fit import fit_collection

Photos = Callable[..., Path]
NAMES = [f"{n}.png" for n in range(6)]


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.suffix != ".store"  # which say of which files they were made
    }


class Killed(Exception):
    pass


@pytest.fixture
def folder(photos: Photos, tmp_path: Path) -> Path:
    return photos(tmp_path / "photos", NAMES)


def test_a_second_fit_into_the_same_folder_is_refused(
    folder: Path, tmp_path: Path, tiny_settings: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    with (
        locked(run / "state" / state.LOCK),
        pytest.raises(DataError, match=r"run is being written by another acseg"),
    ):
        fit_collection(ACSeg(**tiny_settings), [folder], run)
    assert sorted(p.name for p in run.rglob("*")) == ["lock", "state"]


@pytest.mark.parametrize("left", [["done", "claim.json", "lock"], ["done"], ["lock"], []])
def test_a_fit_killed_as_it_tidied_up_is_finished_without_work(
    folder: Path,
    tmp_path: Path,
    tiny_settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    left: list[str],
) -> None:
    run = tmp_path / "run"
    (folder / "a-broken.jpg").write_bytes(b"nothing")
    first = ACSeg(**tiny_settings).fit(folder, folder=run)
    before = files_of(run)
    (run / "state").mkdir()
    for name in left:
        (run / "state" / name).write_text('{"process": 1, "machine": "x"}')
    (run / "state" / ".0123456789abcdef.part").write_text("half")
    (run / ".0123456789abcdef.part").write_text("half")

    def work(*about: object) -> None:
        raise Killed

    again = ACSeg(**tiny_settings)
    with monkeypatch.context() as patch:
        patch.setattr("acseg.training.fit._fit", work)
        fit_collection(again, [folder], run)
    assert files_of(run) == before
    assert again.failed_ == first.failed_ != []
    assert again.centres_ is not None
    assert first.centres_ is not None
    assert (again.centres_ == first.centres_).all()
    assert again.segment(folder / "0.png").labels.shape == (48, 40)


def test_one_of_other_settings_is_refused(
    folder: Path, tmp_path: Path, tiny_settings: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    ACSeg(**tiny_settings).fit(folder, folder=run)
    (run / "state").mkdir()
    with pytest.raises(ModelError, match=r"finished model of other settings; --overwrite"):
        fit_collection(ACSeg(**tiny_settings | {"random_state": 3}), [folder], run)


def test_fitting_anew_over_a_finished_run_does_the_work(
    folder: Path, tmp_path: Path, tiny_settings: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    ACSeg(**tiny_settings).fit(folder, folder=run)
    ACSeg(**tiny_settings | {"random_state": 3}).fit(folder, folder=run)
    assert json.loads((run / "config.json").read_text())["settings"]["seed"] == 3
    assert not (run / "state").exists()


def test_deleting_a_run_begins_with_what_makes_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    (run / "state").mkdir(parents=True)
    for name in ("config.json", "generator.safetensors", "state/lock", "state/claim.json"):
        (run / name).write_text("{}")
    with monkeypatch.context() as patch:

        def stop(*about: object, **more: object) -> None:
            raise Killed

        patch.setattr(state, "_empty", stop)
        with pytest.raises(Killed):
            state.remove_run(run)
    assert not (run / "config.json").exists()
    assert (run / "generator.safetensors").exists()
    state.remove_run(run)
    assert list(run.iterdir()) == []
