"""Label maps as `predict` drew them, kept so that merges and drops can be taken back.

Before the first merge or drop is drawn into an output folder, the picture's label map and record
are copied to ``.acseg/predicted/``, with a digest of the label map that takes their place. Where
`predict` has drawn the picture again since, the digest differs and the copy counts for nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from acseg.errors import AcsegError
from acseg.output import Output
from acseg.output.claim import edits_text
from acseg.output.label_png import encode_labels, read_labels
from acseg.output.records import Record, parse_record, record_line
from acseg.output.writing import Writing
from acseg.untrusted import parse_json, read_text

FOLDER = ".acseg/predicted"


@dataclass(frozen=True)
class Predicted:
    """A picture before merges and drops.

    Attributes
    ----------
    record : Record
    labels : (H, W) uint8
    edits : str
        The merges and drops that are drawn now, as `edits_text` writes them.
    """

    record: Record
    labels: np.ndarray
    edits: str


def read_predicted(output: Output, record: Record) -> Predicted | None:
    """Find a picture as it was predicted; None where it was not kept, or is out of date."""
    stem = _stem(output, record)
    try:
        noted = parse_json(read_text(output.path(f"{stem}.json")))
        if noted["drawn"] != _digest(output.path(output.place(record)).read_bytes()):
            return None
        first = parse_record(noted["record"])
        labels = read_labels(output.path(f"{stem}.png"))
        if first.path != record.path or labels.shape[::-1] != record.size:
            return None
        return Predicted(first, labels.astype(np.uint8), str(noted["edits"]))
    except (AcsegError, OSError, ValueError, KeyError, TypeError):
        return None  # as with a folder of an earlier version


def keep_predicted(
    output: Output,
    writing: Writing,
    first: Predicted,
    drawn: bytes,
    becomes: Mapping[int, int],
) -> None:
    """Keep a picture as it was predicted, before `drawn` takes the place of its label map."""
    stem = _stem(output, first.record)
    noted = {
        "record": record_line(first.record),
        "drawn": _digest(drawn),
        "edits": edits_text(becomes),
    }
    writing.write(f"{stem}.png", encode_labels(first.labels))
    writing.write(f"{stem}.json", json.dumps(noted, ensure_ascii=False).encode("utf-8"))


def _stem(output: Output, record: Record) -> str:
    return f"{FOLDER}/{output.place(record).removeprefix('labels/').removesuffix('.png')}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
