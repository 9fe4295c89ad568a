import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_file_that_is_named_is_there() -> None:
    rows = re.findall(r"^\| (`.+?) \| .*? \|(?: (.*) \|)?$", PAGE, re.MULTILINE)
    assert len(rows) > 15
    for first, last in rows:
        places = re.findall(r"`([\w/.]+)`", first)
        for place in places:
            assert (ROOT / "src" / "acseg" / place).exists(), place
        for name in re.findall(r"`([\w.]+\.(?:py|md))`", last):
            assert (ROOT / "src" / "acseg" / places[0] / name).exists(), f"{places[0]}{name}"


def test_the_way_from_an_equation_to_its_test_is_there() -> None:
    steps = re.findall(r"\| `(\w+/[\w.]*)` \| `(tests/[\w/.]+)` \|", PAGE)
    assert len(steps) >= 6
    for code, test in steps:
        assert (ROOT / "src" / "acseg" / code).exists()
        assert (ROOT / test).exists()
