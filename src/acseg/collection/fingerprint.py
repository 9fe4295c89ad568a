"""What a label map depends on besides its picture, in one short text."""

import json
from dataclasses import asdict
from hashlib import sha256
from typing import Any

import numpy as np
import torch

from acseg.images.stream import CHUNK
from acseg.model import ACSeg
from acseg.output.claim import Key, edits_text
from acseg.output.records import Kind

FORMAT = 2  # another number where the same model draws otherwise than before


def fingerprint(model: ACSeg, kind: Kind, *, batch: int) -> str:
    """Sum up what draws label maps, as a key; see `acseg.output.claim`.

    Two models of one key draw the same label maps. The names of classes are left out: they change
    no map.
    """
    backbone, own = model.pipeline.backbone, model.settings
    facts: dict[str, Any] = {"format": FORMAT, "seed": own.seed}
    facts |= {"encoding": asdict(own.encoding), "dividing": asdict(own.dividing)}
    facts["encoding"].pop("backbone")  # its name; its weights count
    if kind == "classes":
        facts |= {"descriptor": own.classifying.descriptor, "crop": own.classifying.crop_side}
        facts["foreground"] = model.foreground_
    machine = {
        "backbone": repr(backbone).replace(backbone.name, ""),
        "device": str(backbone.device).partition(":")[0],
        "runtime": backbone.runtime,
        "batch": [batch, CHUNK],
    }
    digest = sha256(kind.encode())
    for part in (backbone, model.generator_):
        for name, value in sorted(part.state_dict().items()) if part is not None else ():
            digest.update(name.encode())
            digest.update(_bytes(value))
    if kind == "classes" and model.centres_ is not None:
        digest.update(np.ascontiguousarray(model.centres_).tobytes())
    becomes = model.becomes_ if kind == "classes" else {}
    return str(Key(digest.hexdigest()[:32], _short(facts), _short(machine), edits_text(becomes)))


def _short(facts: dict[str, Any]) -> str:
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _bytes(value: torch.Tensor) -> memoryview:
    flat = value.detach().cpu().contiguous().flatten().view(torch.uint8)
    return memoryview(flat.numpy())
