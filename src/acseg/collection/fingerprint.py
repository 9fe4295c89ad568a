"""What a label map depends on besides its picture, in one short text."""

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from acseg.images.stream import CHUNK
from acseg.output.claim import Key, edits_text
from acseg.output.records import Kind
from acseg.settings import settings_to_json

if TYPE_CHECKING:
    from acseg.model import ACSeg

FORMAT = 1  # another number where the same model draws otherwise than before


def fingerprint(model: "ACSeg", kind: Kind, *, batch: int) -> str:
    """Sum up what draws label maps, as a key; see `acseg.output.claim`.

    Two models of one key draw the same label maps. The names of classes are left out: they change
    no map.
    """
    backbone = model.backbone
    settings = settings_to_json(model.settings)
    settings.pop("backbone")  # its name; its weights count
    facts = {"format": FORMAT, "settings": settings, "side": model.side}
    machine = {
        "backbone": repr(backbone).replace(str(getattr(backbone, "name", "")), ""),
        "device": str(getattr(backbone, "device", "")).partition(":")[0],
        "runtime": str(getattr(backbone, "runtime", getattr(model, "runtime", ""))),
        "batch": [batch, CHUNK],
    }
    digest = sha256(kind.encode())
    for part in (backbone, getattr(model, "generator_", None)):
        for name, value in sorted(part.state_dict().items()) if part is not None else ():
            digest.update(name.encode())
            digest.update(_bytes(value))
    if kind == "classes" and model.centres_ is not None:
        digest.update(np.ascontiguousarray(model.centres_).tobytes())
    becomes = getattr(model, "becomes_", {}) if kind == "classes" else {}
    return str(Key(digest.hexdigest()[:32], _short(facts), _short(machine), edits_text(becomes)))


def _short(facts: dict[str, Any]) -> str:
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _bytes(value: Any) -> memoryview:
    import torch

    flat = value.detach().cpu().contiguous().flatten().view(torch.uint8)
    return memoryview(flat.numpy())
