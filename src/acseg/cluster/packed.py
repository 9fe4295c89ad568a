"""A model on its way to another machine."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from acseg.model import ACSeg


@dataclass(frozen=True)
class Packed:
    """All that makes the driver's model anew: the files of its folder, and how it computes.

    The backbone itself does not travel: "bundled" is in the package, and another must be found
    under its name or folder on every machine. `threads` are torch's; sums round otherwise with
    another number of them.
    """

    files: dict[str, bytes]
    device: str
    precision: str
    runtime: str
    threads: int


def pack(model: ACSeg) -> Packed:
    """Pack a model."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    where = (model.device, model.precision, model.runtime)
    return Packed(files, *where, torch.get_num_threads())


def unpack(packed: Packed) -> ACSeg:
    """Make the model anew."""
    torch.set_num_threads(packed.threads)
    with tempfile.TemporaryDirectory() as folder:
        for name, data in packed.files.items():
            Path(folder, name).write_bytes(data)
        return ACSeg.from_pretrained(
            folder, device=packed.device, precision=packed.precision, runtime=packed.runtime
        )
