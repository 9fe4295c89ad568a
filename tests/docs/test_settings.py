import re
from dataclasses import fields
from pathlib import Path

from acseg.model.settings import Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def test_every_setting_is_explained_with_its_default() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|", text, re.MULTILINE)
    told = {name: default for name, _, default in rows}
    assert list(told) == [field.name for field in fields(Settings)]
    for field in fields(Settings):
        if isinstance(field.default, bool):
            assert told[field.name] == ("yes" if field.default else "no")
        elif isinstance(field.default, int | float):
            assert float(told[field.name].replace(",", "")) == field.default
        elif isinstance(field.default, str):
            assert told[field.name] == field.default


def test_what_the_bundled_model_brings_is_true() -> None:
    from acseg.bundle import BUNDLED, OPEN

    from acseg.model.folder import read_config

    own, _ = read_config(BUNDLED)
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    for name in OPEN:
        assert f"`{name}` ({getattr(own, name)})" in text
