"""What people change about the classes that were found: names, merges, drops.

Ids never move: a merged or dropped class leaves a gap, so that colours, names and label maps
written before keep their meaning. A merge is a table from class id to the id drawn in its place,
one step deep; the clusters behind it stay, so that every change can be taken back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from acseg.classes.ids import BACKGROUND, VOID
from acseg.errors import DataError


@dataclass(frozen=True)
class Edits:
    """Names, merges and drops of the classes of a model; each method gives new ones.

    Attributes
    ----------
    count : int
        Classes that were found, the background included where there is one.
    background : bool
        Whether class 0 is the background.
    names : mapping of class id to str
    becomes : mapping of class id to class id
        What is drawn in place of a class: another class, or 255 (void).
    """

    count: int
    background: bool
    names: Mapping[int, str] = field(default_factory=dict)
    becomes: Mapping[int, int] = field(default_factory=dict)

    @property
    def drawn(self) -> list[int]:
        """Ids of the classes that are drawn: neither merged into another nor dropped."""
        return [c for c in range(self.count) if c not in self.becomes]

    @property
    def all_names(self) -> dict[int, str]:
        """Names of the classes; the background is called so where it was given no other."""
        return {BACKGROUND: "background", **self.names} if self.background else dict(self.names)

    @property
    def nameable(self) -> list[int]:
        """Ids of the classes that a text-image model can name: those drawn, without background."""
        return [c for c in self.drawn if not (self.background and c == BACKGROUND)]

    def reset(self) -> "Edits":
        """Forget all names, merges and drops."""
        return replace(self, names={}, becomes={})

    def rename(self, c: int, name: str) -> "Edits":
        """Give a class a name; an empty one takes its name away.

        Raises
        ------
        DataError
            If there is no such class, or it is merged or dropped.
        """
        name = " ".join(name.split())
        self._drawn(c)
        names = {k: v for k, v in self.names.items() if k != c}
        return replace(self, names={**names, c: name} if name else names)

    def merge(self, first: int, *others: int) -> "Edits":
        """Let other classes become the first; it keeps its name, or takes the first that has one.

        Raises
        ------
        DataError
            If there is no such class, one is merged or dropped already, or one of the others is
            the background: it has no centre, but other classes can become it.
        """
        self._drawn(first)
        for other in others:
            if self._drawn(other) == first:
                raise DataError(f"class {first} cannot be merged with itself")
            if self.background and other == BACKGROUND:
                raise DataError(
                    f"class {BACKGROUND} is the background and cannot become class {first}; "
                    f"merge {BACKGROUND} {first} makes class {first} background"
                )
        becomes = {c: first if into in others else into for c, into in self.becomes.items()}
        named = [self.names[c] for c in (first, *others) if c in self.names]
        keeps = first in self.names or (self.background and first == BACKGROUND)
        names = dict(self.names) if keeps or not named else {**self.names, first: named[0]}
        return replace(self, becomes=becomes | dict.fromkeys(others, first), names=names)

    def drop(self, c: int) -> "Edits":
        """Draw a class, and all that were merged into it, as void.

        Raises
        ------
        DataError
            If there is no such class, or it is merged or dropped already.
        """
        self._drawn(c)
        becomes = {k: VOID if into == c else into for k, into in self.becomes.items()}
        return replace(self, becomes={**becomes, c: VOID})

    def split(self, c: int) -> "Edits":
        """Draw a class as itself again that was merged or dropped.

        Raises
        ------
        DataError
            If there is no such class, or it is drawn as itself.
        """
        self._known(c)
        if c not in self.becomes:
            raise DataError(f"class {c} is drawn as itself: neither merged nor dropped")
        return replace(self, becomes={k: v for k, v in self.becomes.items() if k != c})

    def _known(self, c: int) -> int:
        if not 0 <= c < self.count:
            raise DataError(f"there is no class {c}; the classes are 0 to {self.count - 1}")
        return c

    def _drawn(self, c: int) -> int:
        into = self.becomes.get(self._known(c))
        if into is None:
            return c
        what = "dropped" if into == VOID else f"merged into {into}"
        raise DataError(f"class {c} is {what}; `acseg classes split MODEL {c}` takes that back")


def edit(
    edits: Edits,
    names: Mapping[int, str],
    *,
    merge: Sequence[Sequence[int]] = (),
    drop: Sequence[int] = (),
    split: Sequence[int] = (),
) -> Edits:
    """Take back merges and drops, then merge, drop and name; errors as in the methods."""
    for c in split:
        edits = edits.split(c)
    for group in merge:
        edits = edits.merge(*group)
    for c in drop:
        edits = edits.drop(c)
    for c, name in names.items():
        edits = edits.rename(c, name)
    return edits
