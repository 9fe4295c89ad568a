"""The rules of docs/architecture.md: which folder may import which, and no circles between files.

Imports are read with `ast`, so lazy ones and those under TYPE_CHECKING count like any other.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "acseg"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
APART = ("images", "backbone", "output")  # do not import each other


def module(path: Path) -> str:
    """Name the module of a file."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module(path): path for path in sorted(SOURCE.rglob("*.py"))}


def imports(name: str) -> Iterator[tuple[int, str]]:
    """List line and module of every import of acseg, or of research, in a module."""
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        found = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = absolute(name, node)
            inner = [f"{base}.{alias.name}" for alias in node.names]
            found = [one if one in FILES else base for one in inner]
        for one in dict.fromkeys(found):
            if one.partition(".")[0] in ("acseg", "research"):
                yield node.lineno, one


def absolute(name: str, node: ast.ImportFrom) -> str:
    """Give the module that `from ... import` names, relative ones resolved."""
    if node.level == 0:
        return node.module or ""
    package = name.split(".") if FILES[name].name == "__init__.py" else name.split(".")[:-1]
    above = package[: len(package) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


GRAPH = {name: list(imports(name)) for name in FILES}


def folder(name: str) -> str:
    """Name the folder below acseg; a module beside the folders stands for itself."""
    return ".".join(name.split(".")[1:2])


def breaches(wrong: dict[str, set[str]]) -> list[str]:
    """List file, line and import where a folder imports one of those that it must not."""
    return [
        f"{FILES[name].relative_to(ROOT)}:{line} imports {one}"
        for name, found in GRAPH.items()
        for line, one in found
        if one.startswith("acseg.") and folder(one) in wrong.get(folder(name), set())
    ]


FOLDERS = {folder(name) for name in FILES}


def test_the_reader_of_imports_sees_lazy_ones() -> None:
    assert "acseg.model.pipeline" in {one for _, one in GRAPH["acseg.model.acseg"]}
    assert "acseg.training.fit" in {one for _, one in GRAPH["acseg.model.acseg"]}  # in a function
    assert "acseg.model.acseg" in {one for _, one in GRAPH["acseg"]}  # under TYPE_CHECKING


def test_concepts_import_nothing_else() -> None:
    assert breaches({"concepts": FOLDERS - {"concepts"}}) == []


def test_images_backbone_and_output_stand_apart() -> None:
    assert breaches({own: set(APART) - {own} for own in APART}) == []


def test_nothing_imports_the_command_line_or_the_application() -> None:
    assert breaches({own: {"cli"} for own in FOLDERS - {"cli"}}) == []
    assert breaches({own: {"app"} for own in FOLDERS - {"app", "cli"}}) == []


def test_nothing_imports_research() -> None:
    found = {name: one for name in GRAPH for _, one in GRAPH[name] if one.startswith("research")}
    assert found == {}


def circles() -> set[frozenset[str]]:
    """Find the sets of files that import each other, directly or not (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: set[frozenset[str]] = set()

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for _, one in GRAPH[name]:
            if one not in GRAPH:
                continue
            if one not in index:
                visit(one)
                low[name] = min(low[name], low[one])
            elif one in stack:
                low[name] = min(low[name], index[one])
        if low[name] == index[name]:
            place = stack.index(name)
            circle, stack[place:] = stack[place:], []
            if len(circle) > 1:
                found.add(frozenset(circle))

    for name in GRAPH:
        if name not in index:
            visit(name)
    return found


def test_no_circles_between_files() -> None:
    assert circles() == set()


def test_every_folder_and_file_of_the_page_is_there() -> None:
    rows = re.findall(r"^\| `([\w/.]+)` \| .*? \|(?: (.*) \|)?$", PAGE, re.MULTILINE)
    places = [first for first, _ in rows if "/" not in first[:-1]]
    assert {place.rstrip("/") for place in places if place.endswith("/")} == {
        path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    for place, last in rows:
        assert (SOURCE / place).exists(), place
        for name in re.findall(r"`([\w.]+\.(?:py|md))`", last):
            assert (SOURCE / place / name).exists(), f"{place}{name}"


@pytest.mark.parametrize(
    ("code", "test"), re.findall(r"\| `(\w+/\w+\.py)` \| `(tests/\S+)` \|", PAGE)
)
def test_the_way_from_the_paper_to_its_test_is_there(code: str, test: str) -> None:
    assert (SOURCE / code).exists()
    assert (ROOT / test).exists()
