import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

import acseg
from acseg.cli import app
from acseg.cli.groups import GROUPS

PLAIN = {"help", "version", "verbose", "seed", "install_completion", "show_completion"}


def commands(group: Any = None, before: str = "") -> Iterator[tuple[str, Any]]:
    """All commands with their full names, those below `data` too."""
    for name, command in (group or get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        elif not command.hidden:
            yield f"{before}{name}", command


ALL = dict(commands())


def help_of(*arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "80"})
    assert done.exit_code == 0
    return done.output


def test_the_first_commands_are_those_that_most_people_need() -> None:
    text = help_of()
    listed = re.findall(r"^  ([a-z-]+)  ", text.split("Start here:")[1], re.MULTILINE)
    assert listed[:3] == ["segment", "fit", "predict"]
    assert set(listed) == {name.split()[0] for name in ALL}


def test_no_line_is_cut() -> None:
    assert "..." not in help_of().replace("[ARGS]...", "")
    flat = " ".join(help_of().split())
    for name, command in ALL.items():
        if " " not in name:
            first = " ".join((command.help or "").split("\n\n")[0].split())
            assert f"{name} {first.split('. ')[0].rstrip('.')}" in flat


def test_groups_name_commands_that_there_are() -> None:
    known = {name.split()[0] for name in ALL}
    assert {name for names in GROUPS.values() for name in names} <= known


@pytest.mark.parametrize("name", ALL)
def test_every_command_shows_an_example(name: str) -> None:
    assert re.search(rf"Examples?: .*acseg {name}\b", ALL[name].epilog or "", re.DOTALL)
    assert (ALL[name].help or "").split("\n")[0].endswith((".", ":"))


@pytest.mark.parametrize("name", ALL)
def test_every_setting_says_what_it_does_and_numbers_a_range(name: str) -> None:
    context = typer.Context(ALL[name], info_name=name)
    for parameter in ALL[name].params:
        if parameter.name in PLAIN:
            continue
        told = parameter.help or ""
        assert len(told.split()) >= 2, f"{name}: {parameter.name} has no help"
        shown = parameter.get_help_record(context)[0]
        if re.search(r"<(int|float)|INTEGER|FLOAT", shown):
            assert re.search(r"\d", told), f"{name}: {parameter.name} names no range: {told}"


def test_the_version_is_told_without_a_command() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"acseg {acseg.__version__}\n")
