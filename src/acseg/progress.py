"""Progress on the terminal: a bar with the time left, silent where nobody looks."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console(stderr=True, highlight=False)


class Bar:
    """One bar a task, made when the task is first heard of."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, int] = {}

    def __call__(self, task: str, done: int, of: int, note: str = "") -> None:
        """Show how far a task is."""
        if task not in self._tasks:
            self._tasks[task] = self._progress.add_task(task, total=of, note="")
        self._progress.update(self._tasks[task], completed=done, total=of, note=note)  # type: ignore[arg-type]


@contextmanager
def progress_bar() -> Iterator[Bar]:
    """Show bars while the block runs; nothing is shown where stderr is not a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    silent = not console.is_terminal or os.environ.get("RANK", "0") != "0"  # one bar for all
    with Progress(*columns, console=console, disable=silent) as progress:
        yield Bar(progress)
