"""Over a collection on this machine, or on a cluster where ``--ray`` asks for one."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acseg.collection import Outcome
    from acseg.model import ACSeg


def pass_over(
    model: "ACSeg", inputs: Sequence[str], out: Path, *, ray: str | None = None, **more: Any
) -> "Outcome":
    """Run the collection pass; `more` as in `acseg.collection.run_collection`."""
    if ray is None:
        from acseg.collection import run_collection

        return run_collection(model, inputs, out, **more)
    from acseg.cluster.spread import run_spread

    return run_spread(model, inputs, out, address=ray, **more)
