"""The list of commands in `acseg --help`: what most people need first, nothing cut."""

from typing import Any

from typer.core import TyperGroup

GROUPS = {
    "Start here": ("segment", "fit", "predict", "demo"),
    "Look and correct": ("report", "serve", "classes"),
    "Take it elsewhere": ("export",),
    "Measure": ("evaluate",),
    "Backbones": ("backbones",),
}
"""Heading, and its commands in order; commands that stand nowhere come last, under "More"."""


class Commands(TyperGroup):
    """The commands in groups, each with the whole of the first sentence of its help."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name the commands in the order of the groups."""
        names = [name for group in GROUPS.values() for name in group if name in self.commands]
        return names + [name for name in self.commands if name not in names]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one section a group."""
        left = {
            name: self.commands[name]
            for name in self.list_commands(ctx)
            if not self.commands[name].hidden
        }
        width = max(map(len, left))
        groups = [(heading, [n for n in names if n in left]) for heading, names in GROUPS.items()]
        grouped = [name for _, names in groups for name in names]
        groups.append(("More", [name for name in left if name not in grouped]))
        for heading, names in groups:
            if names:
                rows = [(n.ljust(width), left[n].get_short_help_str(10**6)) for n in names]
                with formatter.section(heading):
                    formatter.write_dl(rows)
