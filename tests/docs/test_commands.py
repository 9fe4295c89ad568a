import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal

import pytest
import typer

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_commands", DOCS / "commands.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_commands_say_now(writer: ModuleType) -> None:
    written = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert written == writer.page(), "docs/commands.md is stale: python docs/commands.py"


def test_every_command_and_option_of_the_help_is_on_the_page(writer: ModuleType) -> None:
    from typer.main import get_command

    from acseg.cli import app

    page = writer.page()
    for name, command in get_command(app).commands.items():
        if hasattr(command, "commands") or command.hidden:
            continue
        section = page.split(f"### acseg {name}\n")[1].split("\n### ")[0]
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                for option in parameter.opts:
                    assert re.search(rf"[`/ ]{option}[`,/ ]", section), f"{name}: {option}"


def test_how_parameters_are_written(writer: ModuleType) -> None:
    app = typer.Typer()

    @app.command("do-it", epilog="Examples:  acseg do-it a | cat  |  acseg do-it b")
    def do_it(
        names: list[str],
        out: Annotated[Path, typer.Option("-o", "--out", help="Where.")],
        one: Annotated[str, typer.Argument(help="One | two.")] = "x",
        side: Annotated[int | None, typer.Option(help="How long; 1 to 9.")] = None,
        kind: Annotated[Literal["a", "b"], typer.Option(help="Which.")] = "a",
        loud: Annotated[bool, typer.Option(help="Shout.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Do it.

        With care.
        """

    ((name, command),) = writer.commands(app)
    lines = writer.describe(name, command).splitlines()
    assert lines[:4] == ["### acseg do-it", "", "Do it.", ""]
    assert lines[4] == "With care."
    assert "    acseg do-it NAME... [ONE] [OPTIONS]" in lines
    assert "| `[ONE]` | One \\| two. |" in lines
    assert "| `-o, --out PATH` | Where. | (required) |" in lines
    assert "| `--side INTEGER` | How long; 1 to 9. |  |" in lines
    assert "| `--kind {a,b}` | Which. | `a` |" in lines
    assert "| `--loud` | Shout. |  |" in lines
    assert "| `--json` | Print JSON. |  |" in lines
    assert lines[-4:] == ["Examples:", "", "    acseg do-it a | cat", "    acseg do-it b"]
