from dataclasses import replace
from pathlib import Path

import pytest

from acseg.bundle import BUNDLED, OPEN, fill_in
from acseg.model.folder import read_config, read_run, write_run
from acseg.model.settings import Settings


def test_what_was_left_open_is_filled_in() -> None:
    own, _ = read_config(BUNDLED)
    filled = fill_in(Settings())
    assert [getattr(filled, name) for name in OPEN] == [getattr(own, name) for name in OPEN]
    assert replace(filled, **dict.fromkeys(OPEN)) == Settings()
    assert filled.described_by == "mean-token"


def test_what_was_told_stays(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = read_run(tiny_run)
    write_run(tmp_path, replace(run, settings=replace(run.settings, rounds=4, merge=0.7)))
    monkeypatch.setattr("acseg.bundle.BUNDLED", tmp_path)
    filled = fill_in(Settings(rounds=0, side=64))
    assert (filled.rounds, filled.side, filled.merge) == (0, 64, 0.7)


def test_a_threshold_that_was_told_holds_for_all_pictures() -> None:
    assert fill_in(Settings()).ground
    assert fill_in(Settings(merge=0.4)).ground is None
    assert fill_in(Settings(merge=0.4, ground=0.3)).ground == 0.3


def test_other_backbones_bring_nothing() -> None:
    settings = Settings(backbone="facebook/dino-vits8")
    assert fill_in(settings) is settings
    assert settings.described_by == "crop"  # as in the paper
