"""The model folder: what `fit` writes and every later command reads. Nothing in it is executed.

::

    config.json              format, settings, names of classes, merges and drops, notes for people
    classes.safetensors      centres (C, D) of the classes, background not among them
    generator.safetensors    the Adaptive Concept Generator, where the division is "generator"
    classes.json             the curve of the choice of the number of classes
    training.jsonl           loss and mean number of concepts of each step
    failed.jsonl             pictures that could not be read, with the reason
    regions/                 descriptors of the regions, for `acseg classes again`

``config.json`` is written last, so that a folder that has one is whole.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes

from acseg.classes.edits import Edits
from acseg.classes.ids import VOID, class_count
from acseg.concepts.generator import AdaptiveConceptGenerator, generator_like
from acseg.errors import ModelError
from acseg.model.settings import BRINGS, DINOV2, Settings
from acseg.names import safe_text
from acseg.output.atomic import write_atomic
from acseg.untrusted import MOST_TENSORS, check_file, parse_json, read_text

FORMAT = 2
LONGEST_NAME = 1000  # characters of a class's name


@dataclass(frozen=True)
class ModelFolder:
    """What a model folder holds.

    Attributes
    ----------
    settings : Settings
    generator : dict of array, or None
        Weights of the Adaptive Concept Generator.
    centres : (C, D) float32 or None
        Centres of the classes; None for a model without classes.
    foreground : "sum", "mean" or "none"
        How class 0 is told apart; none where there is no background class.
    names : dict of int to str
    becomes : dict of int to int
        What is drawn in place of a class: another class that it was merged into, or 255 (void)
        where it was dropped.
    """

    settings: Settings
    generator: dict[str, NDArray[Any]] | None = None
    centres: NDArray[np.float32] | None = None
    foreground: str = "none"
    names: dict[int, str] = field(default_factory=dict)
    becomes: dict[int, int] = field(default_factory=dict)


def find_model(name: str | Path) -> Path | None:
    """Give the model folder of a name; None where the name stands for a backbone.

    Raises
    ------
    ModelError
        If it is a folder that is neither.
    """
    folder = Path(name)
    if not folder.is_dir():
        return None
    if (folder / "segments.jsonl").exists():
        raise ModelError(f"{folder} is an output folder; expected a model folder that fit wrote")
    try:
        config = parse_json(read_text(folder / "config.json"))
    except (OSError, ValueError):
        return folder  # reading it says what is wrong
    return None if isinstance(config, dict) and "model_type" in config else folder


def write_model_folder(
    folder: Path, found: ModelFolder, *, notes: dict[str, Any] | None = None
) -> None:
    """Write a model folder; config.json comes last.

    Parameters
    ----------
    folder : Path
    found : ModelFolder
    notes : dict, optional
        Facts for people, kept in config.json under "notes" and read by nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").unlink(missing_ok=True)
    centres = None if found.centres is None else {"centres": found.centres}
    for name, tensors in (("generator", found.generator), ("classes", centres)):
        path = folder / f"{name}.safetensors"
        if tensors is None:
            path.unlink(missing_ok=True)
        else:
            whole = {n: np.ascontiguousarray(value) for n, value in tensors.items()}
            write_atomic(path, to_bytes(whole))
    config = {
        "format": FORMAT,
        "settings": found.settings.to_json(),
        "foreground": found.foreground,
        **_edits(found.names, found.becomes),
        "notes": notes or {},
    }
    _write_config(folder, config)


def write_names(folder: Path, names: Mapping[int, str], becomes: Mapping[int, int]) -> None:
    """Write names, merges and drops of a model's classes; all else stays.

    Raises
    ------
    ModelError
        Naming the file, if config.json is missing, broken or of another format.
    """
    config = _read_config(folder)
    config.pop("becomes", None)
    notes = config.pop("notes", {})
    _write_config(folder, {**config, **_edits(names, becomes), "notes": notes})


def read_settings(folder: Path) -> Settings:
    """Read the settings of a model folder, and none of its weights."""
    return _settings(_read_config(folder), folder / "config.json")


def read_notes(folder: Path) -> dict[str, Any]:
    """Read the facts for people in a model folder."""
    notes = _read_config(folder).get("notes")
    return notes if isinstance(notes, dict) else {}


def read_model_folder(folder: Path) -> ModelFolder:
    """Read a model folder.

    Raises
    ------
    ModelError
        Naming the file, if something is missing, broken, of another format, or does not fit.
    """
    path = folder / "config.json"
    config = _read_config(folder)
    settings = _settings(config, path)
    generator = None
    if settings.dividing.division == "generator":
        generator = _tensors(folder / "generator.safetensors")
    centres, foreground = None, config.get("foreground", "none")
    if foreground not in ("sum", "mean", "none"):
        raise ModelError(f"{path}: foreground must be sum, mean or none, not {foreground!r}")
    if (folder / "classes.safetensors").exists():
        centres = _tensors(folder / "classes.safetensors").get("centres")
        if centres is None or centres.ndim != 2 or not 1 <= len(centres) <= 254:
            raise ModelError(
                f"{folder / 'classes.safetensors'}: expected centres (C, D) of 1 to 254 classes"
            )
        centres = centres.astype(np.float32)
    background = foreground != "none"
    count = 0 if centres is None else class_count(len(centres), background=background)
    names = _names(config.get("names", {}), path)
    becomes = _becomes(config.get("becomes", {}), count, path)
    return ModelFolder(settings, generator, centres, foreground, names, becomes)


def edits_of(folder: Path) -> Edits:
    """Read names, merges and drops of a model.

    Raises
    ------
    ModelError
        If the folder is no model folder, broken, or holds no classes.
    """
    found = read_model_folder(folder)
    if found.centres is None:
        raise ModelError(f"{folder} holds no classes; `acseg fit` finds them")
    background = found.foreground != "none"
    count = class_count(len(found.centres), background=background)
    return Edits(count, background, found.names, found.becomes)


def restore_generator(found: ModelFolder, folder: Path) -> AdaptiveConceptGenerator | None:
    """Build the generator of a model folder, ready to be used and not to be trained.

    Raises
    ------
    ModelError
        If the weights do not fit the settings.
    """
    if found.generator is None:
        return None
    path, concepts = folder / "generator.safetensors", found.settings.dividing.concepts
    prototypes = found.generator.get("prototypes")
    if prototypes is None or prototypes.ndim != 2 or len(prototypes) != concepts:
        shape = None if prototypes is None else prototypes.shape
        raise ModelError(f"{path}: expected prototypes ({concepts}, D), found {shape}")
    try:
        return generator_like({name: torch.from_numpy(w) for name, w in found.generator.items()})
    except ValueError as error:
        raise ModelError(f"{path} does not fit: {error}") from error


def shipped_generator(settings: Settings) -> AdaptiveConceptGenerator | None:
    """Load the generator that ships for a backbone, blocks and concepts; None where none does."""
    how = settings.encoding
    if BRINGS.get(how.backbone) is not DINOV2 or how.blocks != DINOV2["blocks"]:
        return None
    path = Path(__file__).parents[1] / "bundled" / "dinov2-small" / "generator.safetensors"
    generator = generator_like({n: torch.from_numpy(w) for n, w in _tensors(path).items()})
    return generator if len(generator.prototypes) == settings.dividing.concepts else None


def _settings(config: dict[str, Any], path: Path) -> Settings:
    try:
        return Settings.from_json(config.get("settings"), str(path))
    except ValueError as error:
        raise ModelError(str(error)) from error


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = parse_json(read_text(path))
    except FileNotFoundError:
        if (folder / "segments.jsonl").exists():
            what = "an output folder; expected a model folder that `acseg fit` wrote"
        else:
            what = (
                f"no model folder: it has no config.json; `acseg fit INPUT -o {folder}` makes one"
            )
        raise ModelError(f"{folder} is {what}") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else None
        raise ModelError(
            f"{path} is of format {found}, this acseg reads format {FORMAT}; "
            "fit again with this version, or use the version that wrote it"
        )
    return config


def _write_config(folder: Path, config: dict[str, Any]) -> None:
    write_atomic(folder / "config.json", json.dumps(config, indent=1, ensure_ascii=False) + "\n")


def _edits(names: Mapping[int, str], becomes: Mapping[int, int]) -> dict[str, Any]:
    """Make the part of config.json that people change; no entry where nothing is merged."""
    edits: dict[str, Any] = {"names": {str(c): name for c, name in sorted(names.items())}}
    if becomes:
        edits["becomes"] = {str(c): into for c, into in sorted(becomes.items())}
    return edits


def _names(found: Any, path: Path) -> dict[int, str]:
    if not isinstance(found, dict):
        raise ModelError(f"{path}: expected a table of names")
    try:
        table = {int(c): name for c, name in found.items()}
    except ValueError as error:
        raise ModelError(f"{path}: names stand under whole numbers; {error}") from error
    for c, name in table.items():
        if not isinstance(name, str) or len(name) > LONGEST_NAME or not 0 <= c <= VOID:
            raise ModelError(
                f"{path}: class {c} is called {str(name)[:50]!r}; expected ids of 0 to {VOID} and "
                f"names of at most {LONGEST_NAME} characters"
            )
    return {c: safe_text(name) for c, name in table.items()}  # a terminal may show them


def _becomes(found: Any, count: int, path: Path) -> dict[int, int]:
    """Read what some of `count` classes become: a class that stays what it is, or void."""
    try:
        table = {int(c): into for c, into in found.items()}
    except (AttributeError, ValueError):
        raise ModelError(f"{path}: expected under becomes a table of class ids") from None
    stay = {*range(count), VOID} - set(table)
    for c, into in table.items():
        if c not in range(count) or type(into) is not int or into not in stay:
            raise ModelError(
                f"{path}: class {c} becomes {into!r}; expected one of the {count} classes, to "
                f"become one that stays, or {VOID}"
            )
    return table


def _tensors(path: Path) -> dict[str, NDArray[Any]]:
    try:
        check_file(path, MOST_TENSORS)
        tensors = load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error
    for name, values in tensors.items():
        if values.dtype.kind != "f":
            raise ModelError(f"{path}: {name} holds {values.dtype}, expected floats; fit again")
        if not np.isfinite(values).all():
            raise ModelError(f"{path}: {name} holds numbers that are not finite; fit again")
    return tensors
