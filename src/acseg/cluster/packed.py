"""A model on its way to another machine."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acseg.model import ACSeg


@dataclass(frozen=True)
class Packed:
    """All that makes the driver's model anew.

    The backbone itself does not travel: "bundled" is in the package, and another must be found
    under its name or folder on every machine.

    Attributes
    ----------
    run : dict of str to bytes
        The files of its RUN; none where it has no generator yet.
    settings : dict
    device, precision, runtime : str
    threads : int
        Of torch; sums round otherwise with another number of them.
    """

    run: dict[str, bytes]
    settings: dict[str, Any]
    device: str
    precision: str
    runtime: str
    threads: int


def pack(model: "ACSeg") -> Packed:
    """Pack a model."""
    import torch

    from acseg.settings import settings_to_json

    _ = model.backbone  # settles what the settings leave open
    run = {}
    if getattr(model, "generator_", None) is not None:
        with tempfile.TemporaryDirectory() as folder:
            model.save(folder)
            run = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    return Packed(
        run=run,
        settings=settings_to_json(model.settings),
        device=model.device,
        precision=model.precision,
        runtime=model.runtime,
        threads=torch.get_num_threads(),
    )


def unpack(packed: Packed) -> "ACSeg":
    """Make the model anew."""
    import torch

    from acseg.model import ACSeg
    from acseg.settings import settings_from_json

    torch.set_num_threads(packed.threads)
    where = {
        "device": packed.device,
        "precision": packed.precision,
        "runtime": packed.runtime,
    }
    model = ACSeg(**where)
    if packed.run:
        with tempfile.TemporaryDirectory() as folder:
            for name, data in packed.run.items():
                Path(folder, name).write_bytes(data)
            model = ACSeg.load(folder, **where)
    model.settings = settings_from_json(packed.settings, "the driver")
    return model
