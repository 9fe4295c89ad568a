"""Commands that are killed at any moment and run again end as those that never were.

Here each is killed a few times; with ACSEG_NIGHTLY=1 at least 50 times. The moments are random,
or just before or after a file takes its name.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")

NIGHTLY = bool(os.environ.get("ACSEG_NIGHTLY"))
KILLS = 50 if NIGHTLY else 3  # of each command
EACH = 6  # at most, before a run is left alone

Photos = Callable[..., Path]


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        from killing import Killer

        log = tmp_path_factory.mktemp("killed") / "log"
        yield Killer(log, seed=int(os.environ.get("ACSEG_SEED", "7")))
        assert "Traceback" not in log.read_text()


@pytest.fixture(scope="module")
def folder(photos: Photos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of three shapes, two of them broken."""
    folder = tmp_path_factory.mktemp("pictures")
    for size in ((48, 40), (40, 48), (40, 40)):
        photos(folder / f"{size[0]}x{size[1]}", [f"{n}.png" for n in range(9)], size=size)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8nothing")
    (folder / "empty.png").write_bytes(b"")
    return folder


def files_below(folder: Path) -> dict[str, bytes]:
    found = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def tear(path: Path) -> Callable[[random.Random], None]:
    """Cut some bytes off the end of a file now and then, as a kill in the middle of a line does."""

    def cut(chance: random.Random) -> None:
        if path.exists() and chance.random() < 0.3:
            os.truncate(path, max(0, path.stat().st_size - chance.randint(1, 400)))

    return cut


def compare(
    killer: Any,
    arguments: list[Any],
    tmp_path: Path,
    *,
    status: int,
    wanted: Callable[[Path], Any],
    between: Callable[[Path], Any] | None = None,
) -> None:
    """Kill a command until enough kills are done; each time its folder must be as wanted."""
    begun = time.monotonic()
    whole = tmp_path / "whole"
    assert killer.run([*arguments, "-o", whole]) == status
    seconds = time.monotonic() - begun
    reference = wanted(whole)
    before, trial = killer.kills, 0
    while killer.kills - before < KILLS:
        trial += 1
        out = tmp_path / f"killed-{trial}"
        done = killer.kill_until_done(
            [*arguments, "-o", out],
            seconds=seconds,
            most=EACH,
            between=None if between is None else between(out),
        )
        assert done == status
        assert wanted(out) == reference
        assert trial < 20 * KILLS


@pytest.mark.parametrize("command", ["predict", "segment"])
def test_killed_passes_over_a_collection(
    killer: Any,
    tiny_run: Path,
    folder: Path,
    tmp_path: Path,
    command: str,
) -> None:
    run = [tiny_run] if command == "predict" else ["--model", tiny_run]
    compare(
        killer,
        [command, *run, folder, "--device", "cpu"],
        tmp_path,
        status=1,  # for the broken pictures
        wanted=files_below,
        between=lambda out: tear(out / ".acseg" / "manifest.jsonl"),
    )


@pytest.mark.parametrize("division", ["exact", "generator"])
def test_a_killed_fit(
    killer: Any, tiny_backbone: Path, folder: Path, tmp_path: Path, division: str
) -> None:
    size: list[Any] = ["--set", "side=40", "--classes", 3]
    if division == "generator":
        size += ["--steps", 12, "--set", "concepts=4", "--set", "batch_size=4"]
    compare(
        killer,
        ["fit", folder, "--backbone", tiny_backbone, *size, "--device", "cpu"],
        tmp_path,
        status=1,
        wanted=files_below,
    )
