"""Write commands.md, the page of all commands, from the commands themselves.

`python docs/commands.py` after any change of a command or option; a test fails on a stale page.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import typer

from acseg.cli import app
from acseg.cli.groups import GROUPS

PAGE = Path(__file__).with_name("commands.md")
INTRODUCTION = """\
# All commands

<!-- Written by docs/commands.py from the commands themselves; do not edit. -->

`acseg COMMAND --help` says the same on the terminal. Inputs are files, folders (walked with their
sub-folders) or globs. MODEL is a model folder, which `acseg fit` wrote; `-o` names the output
folder that `acseg segment` or `acseg predict` writes. The exit status is 0 if all is done, 1 if
some inputs failed (each is named with its reason, and the others are done), 2 for wrong usage.
`acseg --install-completion` makes your shell complete commands and options. `-v` before the command
says what is chosen, such as the blocks of a backbone.
"""
KINDS = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}


def page() -> str:
    """Write the whole page."""
    found = dict(commands(app))
    parts = [INTRODUCTION]
    for heading, names in groups(list(found)):
        parts.append(f"## {heading}\n")
        parts += [describe(name, found[name]) for name in names]
    return "\n".join(parts)


def commands(of: typer.Typer, before: str = "") -> Iterator[tuple[str, Any]]:
    """List the full name and the registration of every command that is not hidden."""
    for command in of.registered_commands:
        if not command.hidden:
            name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
            yield before + name, command
    for group in of.registered_groups:
        yield from commands(cast(typer.Typer, group.typer_instance), f"{before}{group.name} ")


def groups(names: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Order the commands as `acseg --help` does."""
    left = list(names)
    for heading, first in GROUPS.items():
        own = [name for word in first for name in names if name.split()[0] == word]
        left = [name for name in left if name not in own]
        if own:
            yield heading, own
    if left:
        yield "More", left


def describe(name: str, command: Any) -> str:
    """Write the section of one command."""
    rows = list(parameters(command.callback))
    arguments = [row for row in rows if not row[0].startswith("-")]
    options = [row for row in rows if row[0].startswith("-")]
    usage = " ".join([f"acseg {name}", *(row[0] for row in arguments), "[OPTIONS]"])
    text = inspect.cleandoc(command.help or command.callback.__doc__ or "")
    lines = [f"### acseg {name}", "", text, "", f"    {usage}", ""]
    if arguments:
        lines += ["| argument | meaning |", "|---|---|"]
        lines += [f"| `{shown}` | {cell(told)} |" for shown, told, _ in arguments] + [""]
    if options:
        lines += ["| option | meaning | default |", "|---|---|---|"]
        lines += [f"| `{cell(shown)}` | {cell(told)} | {cell(default)} |"
                  for shown, told, default in options] + [""]  # fmt: skip
    examples = re.sub(r"^Examples?:\s+", "", command.epilog or "")
    shown = [f"    {line}" for line in re.split(r"\s{2,}\|\s{2,}", examples) if line]
    if shown:
        lines += ["Example:" if len(shown) == 1 else "Examples:", "", *shown, ""]
    return "\n".join(lines)


def parameters(callback: Callable[..., Any]) -> Iterator[tuple[str, str, str]]:
    """List each argument and option: how it is written, what it means, its default."""
    hints = get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        kind, info = hints[name], None
        if get_origin(kind) is Annotated:
            kind, info = get_args(kind)[:2]
        default, told = parameter.default, (info.help if info else None) or ""
        needed = default is inspect.Parameter.empty
        if isinstance(info, typer.models.ArgumentInfo) or (info is None and needed):
            many = get_origin(kind) is list
            plain = name.upper().rstrip("S") + "..." if many else name.upper()
            shown = getattr(info, "metavar", None) or plain
            optional = not needed and not shown.startswith("[")
            yield f"[{shown}]" if optional else shown, told, ""
        elif not getattr(info, "hidden", False):
            yield written(name, kind, info), told, standard(default)


def written(name: str, kind: Any, info: Any) -> str:
    """Show an option as it is typed: `-o, --out PATH`."""
    names = list(getattr(info, "param_decls", None) or ())
    if isinstance(first := getattr(info, "default", None), str) and first.startswith("-"):
        names.insert(0, first)  # typer.Option("-o", "--out") keeps the first name there
    if not names:
        names = ["--" + name.replace("_", "-")]
    flag = kind is bool or bool in get_args(kind)
    value = "" if flag else f" {getattr(info, 'metavar', None) or value_of(kind)}"
    return ", ".join(names) + value


def value_of(kind: Any) -> str:
    """Name what an option takes."""
    if get_origin(kind) in (Union, UnionType):
        kind = next(one for one in get_args(kind) if one is not NoneType)
    if get_origin(kind) in (list, tuple):
        return value_of(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return "{" + ",".join(map(str, get_args(kind))) + "}"
    if hasattr(kind, "__members__"):
        return "{" + ",".join(member.value for member in kind) + "}"
    return KINDS.get(kind, "TEXT")


def standard(default: Any) -> str:
    """Show a default."""
    if default is inspect.Parameter.empty:
        return "(required)"
    if default is None or default is False or default in ([], ""):
        return ""
    return f"`{'on' if default is True else default}`"


def cell(text: str) -> str:
    """Make text safe in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
