"""The page that a report and the application share: its files, and how they are put together.

The scripts are ES modules that import from each other only. A page that must be one file holds
them joined: each module becomes a function that gives what the module exports, after those that it
needs.
"""

import html
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from string import Template
from typing import Any

SHARED = ("core.js", "grid.js", "large.js", "classes.js", "areas.js")
LIVE = ("ask.js", "edits.js", "drop.js", "live.js")

_IMPORT = re.compile(r"^import (\{[^}]*\}) from \"\./(\w+)\.js\";", re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|const) (\w+)", re.MULTILINE)
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_INPUTS = """<input id="files" type="file" multiple accept="image/*" hidden>
<input id="folder" type="file" webkitdirectory hidden>
<div id="said" class="said" hidden></div>
"""


@cache
def style(*, live: bool = False) -> str:
    """Give the style sheet; with that of the application where the page is `live`."""
    return _read("page.css") + (_read("live.css") if live else "")


@cache
def script(*, live: bool = False) -> str:
    """Join the scripts; with those of the application where the page is `live`."""
    names = (*SHARED, *(LIVE if live else ()), "main.js")
    return '"use strict";\n' + "".join(_wrapped(name) for name in names)


def _wrapped(name: str) -> str:
    """Make a module a function that is called at once and gives what the module exports."""
    source = _read(name)
    exported = ", ".join(match[2] for match in _EXPORT.finditer(source))
    source = _EXPORT.sub(r"\1 \2", _IMPORT.sub(r"const \1 = \2;", source))
    return (
        f"const {name.removesuffix('.js')} = (() => {{\n{source}return {{ {exported} }};\n}})();\n"
    )


def static_page(title: str, data: str) -> str:
    """Write the page as one file that needs nothing else.

    Parameters
    ----------
    title : str
    data : str
        JSON from `inside_script`.
    """
    head = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
    scripts = (
        f'<script type="application/json" id="data">{data}</script>\n<script>\n{script()}</script>'
    )
    return _fill(title, f"{head}<style>\n{style()}</style>", scripts)


def live_page(title: str, token: str) -> str:
    """Write the page of the application, which asks for everything else."""
    head = f'<meta name="token" content="{html.escape(token)}">\n'
    head += '<link rel="stylesheet" href="/page.css">'
    return _fill(title, head, _INPUTS + '<script src="/page.js"></script>')


def inside_script(data: Mapping[str, Any]) -> str:
    """Write JSON that no HTML parser takes for markup, and no script engine for a line break."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _fill(title: str, head: str, scripts: str) -> str:
    page = Template(_read("template.html"))
    return page.substitute(title=html.escape(title), head=head, scripts=scripts)


def _read(name: str) -> str:
    return (resources.files("acseg.report") / "page" / name).read_text(encoding="utf-8")
