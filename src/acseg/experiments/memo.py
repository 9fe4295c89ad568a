"""What the rows of one run share, kept in memory up to a bound."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
from torch import Tensor, nn

T = TypeVar("T")

GIB = 2**30
SMALL = 64  # bytes, for what is neither an array nor made of arrays


class Memo:
    """Compute a value once for each key, and keep it while there is room.

    When the room is full, what comes later is computed again each time; what is kept stays. Rows
    go over the same pictures in the same order, so that dropping the oldest would keep nothing
    until it is asked for again.

    Parameters
    ----------
    most : float
        Bytes; 0 keeps nothing.
    """

    def __init__(self, most: float = 2 * GIB) -> None:
        self.most = most
        self.size = 0
        self._kept: dict[Hashable, Any] = {}

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Give the value of a key; whoever gets it must not change it."""
        if key in self._kept:
            kept: T = self._kept[key]
            return kept
        value = compute()
        size = size_of(value)
        if self.size + size <= self.most:
            self._kept[key] = value
            self.size += size
        return value


@dataclass(frozen=True)
class Shared:
    """What rows of one run give each other.

    Attributes
    ----------
    features : Memo
        Features of pictures, as the backbone gives them.
    generators : Memo
        Small, and a minute's work each.
    found : Memo
        What is made of both: concepts, clusters, descriptors. All three apart, so that none can
        take the room of the others.
    """

    features: Memo = field(default_factory=lambda: Memo(2 * GIB))
    generators: Memo = field(default_factory=lambda: Memo(GIB))
    found: Memo = field(default_factory=lambda: Memo(GIB))


def size_of(value: Any) -> int:
    """Count the bytes of arrays, tensors and networks, and of records and lists of them."""
    if isinstance(value, Tensor):
        return value.untyped_storage().nbytes()  # a part keeps the whole
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, nn.Module):
        return size_of(value.state_dict())
    if is_dataclass(value):
        return sum(size_of(getattr(value, f.name)) for f in fields(value))
    if isinstance(value, Mapping):
        return sum(size_of(one) for one in value.values())
    if isinstance(value, list | tuple):
        return sum(size_of(one) for one in value)
    return SMALL
