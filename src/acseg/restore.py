"""From the arrays of a RUN to the parts of a model, checked against its backbone."""

from pathlib import Path

import torch

from acseg.concepts.generator import AdaptiveConceptGenerator
from acseg.errors import RunError
from acseg.run import Run


def restore_generator(run: Run, folder: Path, dim: int) -> AdaptiveConceptGenerator:
    """Build the generator of a RUN, ready to be used and not to be trained.

    Parameters
    ----------
    run : Run
    folder : Path
        Where it lies, for errors.
    dim : int
        D of the backbone.

    Raises
    ------
    RunError
        If the weights do not fit the settings or the backbone.
    """
    path, concepts = folder / "generator.safetensors", run.settings.concepts
    prototypes = run.generator.get("prototypes")
    if prototypes is None or prototypes.ndim != 2:
        raise RunError(f"{path} holds no prototypes (k, D)")
    if prototypes.shape != (concepts, dim):
        raise RunError(
            f"{path} has prototypes {prototypes.shape}, expected "
            f"{(concepts, dim)} for the backbone {run.settings.backbone!r}"
        )
    generator = AdaptiveConceptGenerator(dim, concepts=concepts)
    try:
        weights = {name: torch.from_numpy(w).float() for name, w in run.generator.items()}
        generator.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"{path} does not fit: {reason}") from error
    return generator.eval().requires_grad_(False)


def check_centres(run: Run, folder: Path, dim: int) -> None:
    """Raise RunError if the centres of the classes are not of D dimensions."""
    if run.centres is not None and run.centres.shape[1] != dim:
        raise RunError(
            f"{folder / 'classes.safetensors'} has centres of {run.centres.shape[1]} "
            f"dimensions, but the backbone {run.settings.backbone!r} has {dim}"
        )
