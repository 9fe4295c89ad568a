"""What the source must not contain: nothing here opens a pickle or runs what a file says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import acseg

SOURCE = Path(acseg.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
MODULES = {"pickle", "cPickle", "_pickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
OURS = {"ACSeg.from_pretrained"}  # reads config.json and safetensors
CALLS = {
    *("eval", "exec", "compile", "__import__"),
    *("torch.save", "torch.hub.load", "torch.jit.load", "torch.package"),
    *("os.system", "os.popen", "pandas.read_pickle", "yaml.load"),
}


def named(node: ast.expr) -> str:
    """Give the dotted name of what is called, "" if it has none."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def faults(tree: ast.AST) -> Iterator[str]:
    """Find what is forbidden in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            base = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in base + [alias.name for alias in node.names]:
                if name.split(".")[0] in MODULES:
                    yield f"line {node.lineno}: imports {name}"
        if not isinstance(node, ast.Call):
            continue
        if named(node.func) in CALLS:
            yield f"line {node.lineno}: calls {named(node.func)}"
        told = {keyword.arg: keyword.value for keyword in node.keywords}
        for argument in ("trust_remote_code", "allow_pickle", "shell"):
            value = told.get(argument)
            if value is not None and not (isinstance(value, ast.Constant) and value.value is False):
                yield f"line {node.lineno}: passes {argument}"
        loads_array = named(node.func) in ("np.load", "numpy.load")
        if loads_array and "allow_pickle" not in told:
            yield f"line {node.lineno}: numpy.load without allow_pickle=False"
        only = told.get("weights_only")
        plain = isinstance(only, ast.Constant) and only.value is True
        if named(node.func) == "torch.load" and not plain:
            yield f"line {node.lineno}: torch.load without weights_only=True"
        from_hub = named(node.func).endswith(".from_pretrained") and named(node.func) not in OURS
        if from_hub and "trust_remote_code" not in told:
            yield f"line {node.lineno}: from_pretrained without trust_remote_code=False"
        weights = named(node.func).startswith("AutoModel")
        if from_hub and weights and "use_safetensors" not in told:
            yield f"line {node.lineno}: weights without use_safetensors=True"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_no_file_opens_a_pickle_or_runs_what_it_reads(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert list(faults(tree)) == []


def test_only_the_import_of_checkpoints_reads_files_of_torch() -> None:
    calls = [
        p.relative_to(SOURCE).as_posix() for p in FILES if "torch.load(" in p.read_text("utf-8")
    ]
    assert calls == ["backbone/convert.py"]


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=told)",
        "eval(text)",
        "AutoModel.from_pretrained(x)",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
        "AutoModel.from_pretrained(x, trust_remote_code=False)",
        "AutoModel.from_pretrained(x, trust_remote_code=told)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_the_check_itself_finds_what_is_forbidden(text: str) -> None:
    assert list(faults(ast.parse(text)))


def test_there_are_files_to_check() -> None:
    assert len(FILES) > 80
