from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acseg.errors import DataError
from acseg.pretraining.settings import PretrainSettings, read_settings


@given(
    steps=st.integers(1, 300),
    warmup=st.floats(0, 1),
    cooldown=st.floats(0, 1),
    where=st.floats(0, 1, exclude_max=True),
)
def test_the_rate_rises_stays_and_falls(
    steps: int, warmup: float, cooldown: float, where: float
) -> None:
    step = int(where * steps)
    chosen = PretrainSettings(steps=steps, warmup=warmup, cooldown=cooldown, learning_rate=0.01)
    rising, falling = round(warmup * steps), round(cooldown * steps)
    shares = [1.0]
    if step < rising:
        shares.append((step + 1) / rising)
    if steps - step < falling:
        shares.append((steps - step) / falling)
    assert chosen.rate(step) == pytest.approx(0.01 * min(shares))


def test_the_rate_of_a_usual_training() -> None:
    chosen = PretrainSettings(steps=100, warmup=0.1, cooldown=0.5, learning_rate=1.0)
    rates = [chosen.rate(step) for step in (0, 4, 9, 30, 50, 75, 99)]
    assert rates == pytest.approx([0.1, 0.5, 1.0, 1.0, 1.0, 0.5, 0.02])


def test_a_toml_file_gives_its_settings_and_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[other]\nx = 1\n[pretrain]\nsteps = 7\ncrop = [0.2, 1]\naffinity = 2\n")
    given = read_settings(path)
    assert given == {"steps": 7, "crop": (0.2, 1), "affinity": 2}
    assert PretrainSettings(**given).dim == PretrainSettings().dim


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[pretrain]\nstep = 7\n", "no setting 'step'"),
        ("[pretrain]\nsteps = 'many'\n", "steps = 'many': expected a whole number"),
        ("[pretrain]\nsteps = 2.5\n", "steps = 2.5: expected a whole number"),
        ("[pretrain]\nregion = true\n", "region = True: expected a number"),
        ("[pretrain]\ncrop = 0.5\n", "crop = 0.5: expected two shares"),
        ("[pretrain]\ncrop = ['a', 'b']\n", "expected two shares"),
        ("[pretain]\nsteps = 7\n", r"expected a table \[pretrain\]"),
        ("pretrain = 7\n", r"expected a table \[pretrain\]"),
        ("[pretrain\n", "cannot read the settings"),
    ],
)
def test_a_wrong_toml_file_is_named_with_what_is_wrong(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        read_settings(path)
    assert str(path) in str(caught.value)


def test_a_toml_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.toml"):
        read_settings(tmp_path / "nowhere.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"bytes\.toml"):
        read_settings(tmp_path / "bytes.toml")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 0}, "steps = 0: expected a whole number above 0"),
        ({"batch": -1}, "batch = -1"),
        ({"learning_rate": 0.0}, "learning_rate = 0.0: expected a number above 0"),
        ({"affinity": -1.0}, "affinity = -1.0: expected a number from 0"),
        ({"crop": (0.0, 1.0)}, "0 < low <= high <= 1"),
        ({"crop": (0.8, 0.4)}, "0 < low <= high <= 1"),
        ({"crop": (0.3, 0.5, 1.0)}, "0 < low <= high <= 1"),
        ({"dim": 30, "heads": 3}, "dim = 30: expected a multiple of 4 and of 3 heads"),
        ({"dim": 32, "heads": 3}, "dim = 32: expected a multiple of 4 and of 3 heads"),
    ],
)
def test_settings_that_cannot_be_trained_with_are_refused(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        PretrainSettings(**changes)


def test_zeros_that_switch_something_off_are_taken() -> None:
    off = PretrainSettings(region=0, picture=0, strength=0, warmup=0, cooldown=0, weight_decay=0)
    assert off.rate(0) == off.learning_rate
