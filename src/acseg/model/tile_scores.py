"""The scores of a whole picture, blended from its tiles; on disk, so that memory stays bounded."""

import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from acseg.errors import DataError
from acseg.model.tile_layout import Layout, ramp, total_weight


class BlendedScores:
    """Scores (rows, columns, k) of a picture: where tiles overlap, their weighted mean.

    Tiles are added row by row, as `Layout.tiles` gives them. Rows that no later tile touches go
    to a file without a name, which is gone when this is closed or the process ends.

    Parameters
    ----------
    layout : Layout
    k : int
        Concepts.
    folder : Path, optional
        On whose disk the file lies; default the system's folder for temporary files.

    Attributes
    ----------
    owned : (k,) int64
        Cells at which each concept has the highest blended score, once all tiles are there.
    """

    def __init__(self, layout: Layout, k: int, *, folder: Path | None = None) -> None:
        self.layout, self.k = layout, k
        self.owned = np.zeros(k, np.int64)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed in close()
        self._first = 0  # row of the picture that the buffer begins with
        self._buffer = np.zeros((layout.high, layout.columns, k), np.float32)
        down, across = ramp(layout.high, layout.overlap), ramp(layout.wide, layout.overlap)
        self._weight = (down[:, None] * across)[..., None]  # (high, wide, 1)
        self._down = total_weight(layout.rows, layout.high, layout.overlap)
        self._across = total_weight(layout.columns, layout.wide, layout.overlap)

    def add(self, row: int, column: int, scores: NDArray[np.float32]) -> None:
        """Add the scores (high, wide, k) of the tile that begins at a cell.

        Raises
        ------
        ValueError
            If the tile comes out of order or its shape is another.
        """
        wanted = (self.layout.high, self.layout.wide, self.k)
        if scores.shape != wanted or row < self._first:
            raise ValueError(f"expected scores {wanted} from row {self._first} on, row by row")
        self._flush(row)
        self._buffer[:, column : column + self.layout.wide] += scores * self._weight

    def finish(self) -> None:
        """Say that all tiles were added."""
        self._flush(self.layout.rows)

    def _flush(self, row: int) -> None:
        """Write the rows before `row`, which are complete, and move the buffer there."""
        done = row - self._first
        if done <= 0:
            return
        weight = self._down[self._first : row, None, None] * self._across[:, None]
        ready = self._buffer[:done] / weight
        self.owned += np.bincount(ready.argmax(2).ravel(), minlength=self.k)
        try:
            ready.tofile(self._file)
        except OSError as error:  # says how much was written, not why
            raise DataError(f"cannot keep the scores of a large picture: {error}") from error
        kept = len(self._buffer) - done
        self._buffer[:kept] = self._buffer[done:].copy()
        self._buffer[kept:] = 0
        self._first = row

    def rows(self, first: int, last: int) -> NDArray[np.float32]:
        """Read rows first..last-1: (last - first, columns, k)."""
        each = self.layout.columns * self.k
        self._file.seek(first * each * 4)
        found = np.fromfile(self._file, np.float32, (last - first) * each)
        return found.reshape(last - first, self.layout.columns, self.k)

    def close(self) -> None:
        """Give the file back to the system."""
        self._file.close()

    def __enter__(self) -> "BlendedScores":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
