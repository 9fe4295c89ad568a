import re
from dataclasses import fields
from pathlib import Path

from acseg.model.settings import BUNDLED, DINOV2, GROUPS, NAMES, Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_every_setting_is_explained_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|", TEXT, re.MULTILINE)
    told = {name: default for name, _, default in rows}
    assert list(told) == list(NAMES)
    every = [field for group in GROUPS.values() for field in fields(group)]
    defaults = {field.name: field.default for field in every} | {"seed": Settings().seed}
    del defaults["backbone"]  # the best at hand: `ACSeg` decides
    for name, default in defaults.items():
        if isinstance(default, bool):
            assert told[name] == ("yes" if default else "no"), name
        elif isinstance(default, int | float):
            assert float(told[name].replace(",", "")) == default, name
        elif isinstance(default, str):
            assert told[name] == default, name


def test_what_the_backbones_bring_is_true() -> None:
    assert f"`dinov2-small` brings `blocks` {DINOV2['blocks']}." in TEXT
    brought = " and ".join(f"`{name}` ({value})" for name, value in BUNDLED.items())
    assert f"`bundled` brings {brought}." in TEXT


def test_every_choice_is_named() -> None:
    from acseg.model.settings import DESCRIPTORS, DIVISIONS, FOREGROUNDS, OBJECTIVES

    for choices in (DESCRIPTORS, DIVISIONS, FOREGROUNDS, OBJECTIVES):
        assert f"| {', '.join(choices)} |" in TEXT
