"""Two processes train as one: the same losses at the same global batch, within rounding."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from acseg.errors import ModelError
from acseg.training.group import ALONE, Group, is_first, join_group, own_device

ACSEG = Path(sys.executable).with_name("acseg")


def run(processes: int, *arguments: str) -> None:
    """Run a command, alone or as several processes of `torchrun`."""
    many = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
    many += ["--standalone", "--no-python"]
    command = [*(many if processes > 1 else []), str(ACSEG), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "USE_LIBUV": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=400)
    assert done.returncode == 0, done.stderr


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def folder(tmp_path: Path, photograph: Callable[..., np.ndarray]) -> Path:
    for number in range(7):
        Image.fromarray(photograph(number)).save(tmp_path / f"{number}.png")
    return tmp_path


def test_two_processes_fit_as_one(folder: Path, tiny_backbone: Path, tmp_path: Path) -> None:
    runs = [tmp_path / "one", tmp_path / "two"]
    for processes, out in enumerate(runs, start=1):
        run(
            *(processes, "fit", str(folder / "*.png"), "-o", str(out), "--precision", "float32"),
            *("--backbone", str(tiny_backbone), "--classes", "3", "--steps", "6", "--batch", "5"),
            *("--side", "48", "--device", "cpu", "--descriptor", "mean-token"),
        )
    one, two = (lines(out / "training.jsonl") for out in runs)
    assert [line["step"] for line in two] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(
        [line["loss"] for line in two], [line["loss"] for line in one], atol=2e-6
    )
    assert [line["concepts"] for line in two] == [line["concepts"] for line in one]
    first, second = (load_file(out / "generator.safetensors") for out in runs)
    for name, weight in first.items():
        np.testing.assert_allclose(second[name], weight, atol=2e-5)
    assert not (runs[1] / "state").exists()


def test_parts_cover_a_batch_once() -> None:
    for size in (1, 2, 3, 7):
        for count in (7, 8, 32):
            parts = [range(count)[Group(rank, size).part(count)] for rank in range(size)]
            assert [i for part in parts for i in part] == list(range(count))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_batch_that_is_too_small_is_named() -> None:
    with pytest.raises(ModelError, match="a batch of 2 cannot be shared by 3 processes"):
        Group(0, 3).part(2)


def test_alone_nothing_is_exchanged() -> None:
    rows = torch.rand(3, 2)
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.full((2,), 3.0)
    ALONE.sum_gradients([weight])
    assert torch.equal(weight.grad, torch.full((2,), 3.0))
    assert ALONE.gather(rows) == (rows, 0)
    assert ALONE.sum(2.5) == 2.5
    assert ALONE.tell("x") == "x"
    assert ALONE.first


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert join_group("cpu") is ALONE
    assert is_first()
    monkeypatch.setenv("RANK", "1")
    assert not is_first()


def test_each_process_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert own_device("cuda") == "cuda:3"
    assert own_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert own_device("auto") == "cuda:3"
    monkeypatch.delenv("LOCAL_RANK")
    assert own_device("cuda") == "cuda"
