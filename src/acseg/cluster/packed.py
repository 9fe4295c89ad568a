"""A model on its way to another machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from acseg.model import ACSeg
from acseg.model.folder import ModelFolder, restore_generator


@dataclass(frozen=True)
class Packed:
    """All that makes the driver's model anew: what its folder would hold, and how it computes.

    A model whose generator is yet to be trained has none. The backbone itself does not travel:
    "bundled" is in the package, and another must be found under its name or folder on every
    machine. `threads` are torch's; sums round otherwise with another number of them.
    """

    found: ModelFolder
    device: str
    precision: str
    runtime: str
    threads: int


def pack(model: ACSeg) -> Packed:
    """Pack a model."""
    generator = None
    if model.generator_ is not None:
        generator = {name: w.cpu().numpy() for name, w in model.generator_.state_dict().items()}
    found = ModelFolder(
        model.settings,
        generator,
        model.centres_,
        model.foreground_,
        dict(model.names_),
        dict(model.becomes_),
    )
    where = (model.device, model.precision, model.runtime)
    return Packed(found, *where, torch.get_num_threads())


def unpack(packed: Packed) -> ACSeg:
    """Make the model anew."""
    torch.set_num_threads(packed.threads)
    found = packed.found
    values: dict[str, Any] = found.settings.flat()
    values["random_state"] = values.pop("seed")
    values |= {"device": packed.device, "precision": packed.precision, "runtime": packed.runtime}
    model = ACSeg(**values)
    model.generator_ = restore_generator(found, Path("model"))
    model.centres_, model.foreground_ = found.centres, found.foreground
    model.names_, model.becomes_ = found.names, found.becomes
    return model
