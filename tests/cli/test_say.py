import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from acseg import cli
from acseg.cli.say import tell, tell_json
from acseg.collection import Outcome

Photos = Callable[..., Path]


def test_one_json_object_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    tell_json({"model": "ä", "classes": 3}, [])
    done = Outcome(2, failed=[("a.jpg", "broken")], report=Path("out/index.html"))
    with pytest.raises(typer.Exit) as left:
        tell(done, "", as_json=True)
    assert left.value.exit_code == 1
    printed = capsys.readouterr()
    assert printed.err == ""
    first, second = map(json.loads, printed.out.splitlines())
    assert first == {"model": "ä", "classes": 3, "failed": []}
    failed = [{"path": "a.jpg", "error": "broken"}]
    told = {"pictures": 2, "report": "out/index.html", "failed": failed}
    assert told.items() <= second.items()


def test_fit_prints_json(
    tiny_backbone: Path, photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photos(tmp_path / "photos", ["a.png", "b.png"])
    (folder / "c.png").write_text("broken")
    size = "--set side=40 --classes 2 --device cpu --json"
    model = tmp_path / "model"
    with pytest.raises(SystemExit) as left:
        cli.main(
            ["fit", str(folder), "-o", str(model), "--backbone", str(tiny_backbone), *size.split()]
        )
    assert left.value.code == 1
    told = json.loads(capsys.readouterr().out)
    assert {"model": str(model), "classes": 2}.items() <= told.items()
    assert [one["path"] for one in told["failed"]] == ["c.png"]
