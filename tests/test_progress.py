import io

import pytest
from rich.console import Console

from acseg import progress


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress_bar() as bar:
        bar("reading", 1, 2)
        bar("reading", 2, 2)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_each_task_with_its_count_and_note(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=screen, force_terminal=True, width=120))
    with progress.progress_bar() as bar:
        bar("reading tokens", 1, 4)
        bar("training", 0, 9, "loss -0.1000")
        bar("reading tokens", 3, 4)
        bar("training", 7, 9, "loss -0.2000")
    last = screen.getvalue()
    assert "reading tokens" in last
    assert "3/4" in last
    assert "7/9" in last
    assert "loss -0.2000" in last
