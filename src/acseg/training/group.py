"""Several processes that train one model: who does which part, and the mean of their gradients."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from acseg.errors import ModelError


@dataclass(frozen=True)
class Group:
    """The processes of a training, as `torchrun` starts them; alone by default.

    Every process draws the whole batch of a step from the same seed and works on its own part of
    it, so that the loss is that of one process, within rounding.

    Attributes
    ----------
    rank : int
        Which of them this is; the first one (0) writes all files.
    size : int
        How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """Give this process's part of 0..count-1; parts differ by one at most.

        Raises
        ------
        ModelError
            If there are fewer than processes.
        """
        if count < self.size:
            raise ModelError(
                f"a batch of {count} cannot be shared by {self.size} processes; use a larger "
                "--batch, or fewer processes"
            )
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def sum(self, value: float) -> float:
        """Add a number up over the processes."""
        if self.size == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=_device())
        torch.distributed.all_reduce(total)
        return float(total)

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Add the gradients of all processes up; each has weighted its loss by its share."""
        if self.size == 1:
            return
        found = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in found])
        torch.distributed.all_reduce(flat)
        for gradient, part in zip(found, flat.split([g.numel() for g in found]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def gather(self, rows: Tensor) -> tuple[Tensor, int]:
        """Put the rows (R_r, P) of all processes together; say where this one's begin.

        No gradient flows to other processes.
        """
        if self.size == 1:
            return rows, 0
        counts: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(counts, len(rows))
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows.detach()
        parts = [torch.empty_like(padded) for _ in counts]
        torch.distributed.all_gather(parts, padded)
        together = torch.cat([part[:n] for part, n in zip(parts, counts, strict=True)])
        return together, sum(counts[: self.rank])

    def tell(self, value: Any = None) -> Any:
        """Wait until all processes are here, and give all of them the value of the first."""
        if self.size == 1:
            return value
        told = [value]
        torch.distributed.broadcast_object_list(told, src=0)
        return told[0]


ALONE = Group()


def is_first() -> bool:
    """Say whether this process writes and speaks: alone, or the first that `torchrun` started."""
    return os.environ.get("RANK", "0") == "0"


def join_group(device: torch.device | str) -> Group:
    """Join the processes that `torchrun` started; be alone where it did not.

    Parameters
    ----------
    device : torch.device or str
        "cuda" joins through NCCL, "cpu" through Gloo.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        return ALONE
    if not torch.distributed.is_initialized():
        kind = torch.device(device).type
        torch.distributed.init_process_group("nccl" if kind == "cuda" else "gloo")
    return Group(torch.distributed.get_rank(), torch.distributed.get_world_size())


def own_device(device: str) -> str:
    """Give this process its own GPU, where `torchrun` started several and "cuda" is meant."""
    place = os.environ.get("LOCAL_RANK")
    if place is None or not (device == "cuda" or (device == "auto" and torch.cuda.is_available())):
        return device
    return f"cuda:{place}"


def _device() -> str:
    return "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
