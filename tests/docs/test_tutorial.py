import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "tutorial.ipynb"


def test_no_output_is_kept_in_git() -> None:
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """Run the notebook in an empty folder; give the folder and its code cells."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("skimage")
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return folder, [cell for cell in notebook.cells if cell.cell_type == "code"]


def html_of(cells: list[Any]) -> list[str]:
    outputs = [output for cell in cells for output in cell.outputs if "data" in output]
    return [output["data"]["text/html"] for output in outputs if "text/html" in output["data"]]


def test_it_runs_and_shows_pictures(ran: tuple[Path, list[Any]]) -> None:
    _, cells = ran
    shown = html_of(cells)
    assert len(shown) == 3
    assert all("data:image/jpeg;base64," in html for html in shown)
    assert "thing " in shown[2]


def test_it_warns_of_nothing(ran: tuple[Path, list[Any]]) -> None:
    _, cells = ran
    streams = [o for cell in cells for o in cell.outputs if o.output_type == "stream"]
    said = [o.text for o in streams if o.name == "stderr"]
    assert [text for text in said if "ipywidgets" not in text] == []  # of tqdm, without a browser


def test_it_leaves_what_it_says(ran: tuple[Path, list[Any]]) -> None:
    from acseg.model.folder import read_model_folder
    from acseg.output.label_png import read_labels

    folder, _ = ran
    names = read_model_folder(folder / "model").names
    assert names == {c: f"thing {c}" for c in range(4)}
    coco = json.loads((folder / "china.json").read_text())
    labels = read_labels(folder / "china.png")
    areas = {a["category_id"] - 1: a["area"] for a in coco["annotations"]}
    assert areas == {label: int((labels == label).sum()) for label in areas}
    assert sum(areas.values()) == labels.size
