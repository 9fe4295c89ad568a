"""What the pictures of an output folder add up to: pixels, confidence and exemplars of classes."""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from acseg.output.fields import Box
from acseg.output.palette import colour
from acseg.output.records import ClassRecord, Exemplar, Kind, Record

EXEMPLARS = 6  # pictures that show a class


@dataclass
class Count:
    """One class over all pictures.

    Attributes
    ----------
    pictures : int
        That show it.
    pixels : int
    area : float
        In m2, of pictures that are georeferenced.
    name : str or None
        As the records say.
    """

    pictures: int = 0
    pixels: int = 0
    area: float = 0.0
    name: str | None = None
    _known: int | None = None  # pixels whose confidence is known
    _confidence: float = 0.0  # times these pixels
    _best: list[tuple[float, str, Box]] = field(default_factory=list)

    @property
    def confidence(self) -> float | None:
        """The mean over the pixels; None where it is not known."""
        return None if self._known is None else self._confidence / max(1, self._known)

    @property
    def exemplars(self) -> tuple[Exemplar, ...]:
        """The regions of the highest confidence."""
        return tuple(Exemplar(path, box) for _, path, box in sorted(self._best, reverse=True))


class Tally:
    """Adds up records, one after the other.

    Attributes
    ----------
    kind : "concepts" or "classes"
    pictures, segments, pixels : int
        Pictures that have a label map, their segments, their pixels.
    failed : list of (path, reason)
    counts : dict of label to Count
    unplaced : bool
        Whether a record does not say where its label map lies.
    georeferenced : bool
        Whether the size on the ground is known of a picture.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.kind: Kind = "concepts"
        self.pictures = self.segments = self.pixels = 0
        self.failed: list[tuple[str, str]] = []
        self.counts: dict[int, Count] = {}
        self.unplaced = self.georeferenced = False
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Count one record."""
        if record.status != "ok":
            self.failed.append((record.path, record.error or "no reason given"))
            return
        self.kind = record.kind
        self.pictures += 1
        self.segments += len(record.segments)
        self.unplaced |= record.labels is None
        self.georeferenced |= record.pixel_area is not None
        width, height = record.size or (0, 0)
        self.pixels += width * height
        for segment in record.segments:
            count = self.counts.setdefault(segment.id, Count())
            pixels = round(segment.area * width * height)
            count.pictures += 1
            count.pixels += pixels
            count.area += pixels * (record.pixel_area or 0.0)
            count.name = count.name or segment.name
            if segment.confidence is not None:
                count._known = (count._known or 0) + pixels
                count._confidence += segment.confidence * pixels
            heapq.heappush(count._best, (segment.confidence or 0.0, record.path, segment.box))
            if len(count._best) > EXEMPLARS:
                heapq.heappop(count._best)

    def classes(
        self,
        names: Mapping[int, str | None],
        colours: Mapping[int, tuple[int, int, int]] | None = None,
    ) -> list[ClassRecord]:
        """List classes, those that no picture shows included.

        Parameters
        ----------
        names : mapping of class id to name
            The classes to list, in this order.
        colours : mapping, optional
            Default: `acseg.output.palette.colour`.
        """
        total = max(1, sum(count.pixels for count in self.counts.values()))
        listed = []
        for c, name in names.items():
            count = self.counts.get(c, Count())
            listed.append(
                ClassRecord(
                    id=c,
                    name=name,
                    colour=(colours or {}).get(c, colour(c)),
                    share=count.pixels / total,
                    confidence=count.confidence,
                    exemplars=count.exemplars,
                )
            )
        return listed
