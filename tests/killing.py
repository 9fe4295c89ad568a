"""Running a command in a process that is killed, and run again until it ends.

Processes are forked from a server that has imported everything once, so that a run costs a
fraction of a second. Not a test; imported by test_kills.py here and in the processes.
"""

import os
import random
import signal
import sys
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

PRELOAD = [
    "acseg.cli",
    "acseg.collection",
    "acseg.training.fit",
    "transformers.models.vit.modeling_vit",
    "skimage.segmentation",
]


def command(arguments: Sequence[str], at: int, after: bool, log: str) -> None:
    """Run a command line; kill this process at the `at`-th file that takes its name (0: never).

    Checkpoints are made every few steps, so that a short training has some.
    """
    import torch

    import acseg.output.atomic as write
    from acseg import cli
    from acseg.training import loop

    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    torch.set_num_threads(1)
    loop.CHECKPOINT_STEPS = 3
    replace, count = os.replace, 0

    def counted(old: Any, new: Any) -> None:
        nonlocal count
        count += 1
        if count == at and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(old, new)
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)

    write.os.replace = counted  # type: ignore[assignment]
    cli.main(list(arguments))


class Killer:
    """Runs a command to its end through as many kills as wanted.

    Parameters
    ----------
    log : Path
        Where the commands print.
    seed : int
        Of the moments.

    Attributes
    ----------
    kills : int
        How many processes were killed so far.
    """

    def __init__(self, log: Path, seed: int) -> None:
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload(PRELOAD)
        self._log, self._random = log, random.Random(seed)
        self.kills = 0

    def run(self, arguments: Sequence[object]) -> int:
        """Run a command undisturbed; give its exit status."""
        process = self._start(arguments)
        process.join(120)
        return self._status(process)

    def kill_until_done(
        self, arguments: Sequence[object], *, seconds: float, most: int, between: Any = None
    ) -> int:
        """Run a command again and again, killing all but the last; give the last exit status.

        Parameters
        ----------
        seconds : float
            How long an undisturbed run takes; kills come at random moments within.
        most : int
            Kills at most; then it is left alone.
        between : callable, optional
            Called after each kill.
        """
        for _ in range(most):
            by_time = self._random.random() < 0.6
            at = 0 if by_time else self._random.randint(1, 40)
            process = self._start(arguments, at, self._random.random() < 0.5)
            process.join(self._random.uniform(0, seconds) if by_time else 120)
            if process.exitcode is None:
                os.kill(process.pid, signal.SIGKILL)
                process.join(60)
            if process.exitcode != -signal.SIGKILL:
                return self._status(process)
            self.kills += 1
            process.close()
            if between is not None:
                between(self._random)
        return self.run(arguments)

    def _start(self, arguments: Sequence[object], at: int = 0, after: bool = False) -> Any:
        process = self._context.Process(
            target=command, args=([str(a) for a in arguments], at, after, str(self._log))
        )
        process.start()
        return process

    def _status(self, process: Any) -> int:
        assert process.exitcode is not None, "the command hangs"
        status = int(process.exitcode)
        process.close()
        return status
