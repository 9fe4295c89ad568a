"""Other classes for a model, from the regions that `fit` kept: seconds instead of a new fit."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from acseg.classes.edits import Edits
from acseg.errors import DataError, ModelError
from acseg.model.folder import edits_of, read_model_folder, read_notes, write_model_folder
from acseg.model.settings import Settings
from acseg.output.lock import locked
from acseg.training.find_classes import find_classes
from acseg.training.state import LOCK, tidy
from acseg.training.store import Store


def classes_again(folder: Path, changes: Mapping[str, Any]) -> Edits:
    """Find the classes of a model again with other settings, and write them.

    Parameters
    ----------
    folder : Path
        A model folder that `fit` wrote.
    changes : mapping of str to value
        n_classes, foreground, granularity, n_init or seed.

    Returns
    -------
    Edits
        The new classes, without names.

    Raises
    ------
    ModelError
        If the folder is no model folder, or keeps no regions.
    DataError
        If there are too few regions for so many classes, or another call writes the folder.
    ValueError
        If a setting is out of range, or the descriptors are crops and granularity changes.
    """
    found = read_model_folder(folder)
    settings = Settings.of({**found.settings.flat(), **changes})
    crops = settings.classifying.descriptor == "crop"
    if crops and settings.dividing != found.settings.dividing:
        raise ValueError("crops were described at one granularity; fit again to change it")
    try:
        means = Store.open(folder / "regions" / "means")
        facts = Store.open(folder / "regions" / "facts")
    except DataError as error:
        raise ModelError(f"{folder} keeps no regions to make classes of ({error})") from error
    classes = find_classes(settings, means, facts)
    found = replace(
        found,
        settings=settings,
        centres=classes.centres,
        foreground=classes.foreground,
        names={},
        becomes={},
    )
    with locked(folder / "state" / LOCK):
        classes.write_curve(folder)
        notes = read_notes(folder) | {"concepts": classes.parts}
        write_model_folder(folder, found, notes=notes)
        (folder / "names.json").unlink(missing_ok=True)  # suggestions for the classes before
        tidy(folder)
    return edits_of(folder)
