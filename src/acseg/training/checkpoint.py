"""What a killed training goes on from: networks, optimiser and step in one safetensors file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from acseg.errors import ModelError
from acseg.output.atomic import write_atomic

MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # what AdamW keeps for each weight


def save_checkpoint(
    path: Path,
    step: int,
    networks: Mapping[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    settings: dict[str, Any],
) -> None:
    """Write a checkpoint whole or not at all; the first network is the one that is optimised."""
    tensors: dict[str, Tensor] = {}
    for name, network in networks.items():
        tensors |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
    for key, weight in next(iter(networks.values())).named_parameters():
        for moment in MOMENTS:
            if moment in optimiser.state[weight]:
                tensors[f"{moment}.{key}"] = optimiser.state[weight][moment]
    notes = {"step": str(step), "settings": json.dumps(settings)}
    data = to_bytes({n: t.detach().cpu().clone() for n, t in tensors.items()}, metadata=notes)
    write_atomic(path, data)


def load_checkpoint(
    path: Path,
    networks: Mapping[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    settings: dict[str, Any],
    *,
    may_change: Sequence[str] = (),
) -> int:
    """Read a checkpoint into networks and optimiser; 0 where there is none.

    Returns
    -------
    int
        The step to go on with.

    Raises
    ------
    ModelError
        If the checkpoint is broken, or was made with other settings than these (those in
        `may_change` apart).
    """
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as handle:
            notes = handle.metadata()
        tensors = load_file(path)
        step, old = int(notes["step"]), json.loads(notes["settings"])
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"cannot read {path}: {error}; delete it to start anew") from error
    now = json.loads(json.dumps(settings))
    changed = sorted(k for k in now if k not in may_change and old.get(k) != now[k])
    if changed:
        name = changed[0]
        raise ModelError(
            f"{path} was made with {name} = {old.get(name)}, now {name} = {now[name]}; "
            "use the same settings to go on, or another output folder"
        )
    try:
        for name, network in networks.items():
            prefix = f"{name}."
            own = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
            network.load_state_dict(own)
    except RuntimeError as error:
        raise ModelError(f"{path} does not fit: {' '.join(str(error).split())[:200]}") from error
    for key, weight in next(iter(networks.values())).named_parameters():
        kept = {m: tensors[f"{m}.{key}"] for m in MOMENTS if f"{m}.{key}" in tensors}
        if kept:
            optimiser.state[weight] = {
                m: t if m == "step" else t.to(weight.device) for m, t in kept.items()
            }
    return step
