"""Pictures in several shapes, the pass of one machine to compare with, and Ray left out or real."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from acseg.cluster import fit_pass, ray_pass, remote
from acseg.images import stream

SIZES = ((48, 40), (40, 48), (32, 64))


@pytest.fixture
def pictures(tmp_path: Path, photograph: Callable[..., np.ndarray]) -> Path:
    """Ten pictures in a folder and one below it, one of them broken."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for number in range(10):
        where = folder / "sub" if number % 3 == 0 else folder
        Image.fromarray(photograph(number, SIZES[number % 3])).save(where / f"{number}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of four pictures, so that there are several."""
    for module in (stream, remote):
        monkeypatch.setattr(module, "CHUNK", 4)


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run the tasks in this process, one after the other; list the places they began at."""
    ran: list[str] = []

    def run(
        machine: type, spec: Any, tasks: Sequence[dict[str, str]], address: str
    ) -> Iterator[Any]:
        made = machine(spec)
        for task in tasks:
            ran.append(task["task"])
            yield from made({"task": [task["task"]]})["done"]

    for module in (ray_pass, remote, fit_pass):
        monkeypatch.setattr(module, "run_tasks", run)
    return ran
