"""The RUN folder: what `fit` writes and every later command reads. Nothing in it is executed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes

from acseg.classes.ids import class_count
from acseg.errors import RunError
from acseg.names import safe_text
from acseg.output.atomic import write_atomic
from acseg.output.palette import VOID
from acseg.settings import Settings, settings_from_json, settings_to_json
from acseg.untrusted import MOST_TENSORS, check_file, parse_json, read_text

FORMAT = 1
LONGEST_NAME = 1000  # characters of a class's name


@dataclass(frozen=True)
class Run:
    """What a RUN folder holds.

    Attributes
    ----------
    settings : Settings
    generator : dict of array
        Weights of the Adaptive Concept Generator, float32.
    centres : (C, D) float32 or None
        Centres of the classes; None for a generator without classes, as the bundled one.
    names : dict of int to str
        Names that were given to classes.
    becomes : dict of int to int
        What is drawn in place of a class: another class that it was merged into, or 255 (void)
        where it was dropped. A class that is not here is drawn as itself.
    """

    settings: Settings
    generator: dict[str, NDArray[Any]]
    centres: NDArray[np.float32] | None
    names: dict[int, str]
    becomes: dict[int, int] = field(default_factory=dict)


def write_run(folder: Path, run: Run, *, notes: dict[str, Any] | None = None) -> None:
    """Write a RUN; config.json comes last, so that a folder with one is whole.

    Parameters
    ----------
    folder : Path
    run : Run
    notes : dict, optional
        Facts for people, kept in config.json under "notes" and read by nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").unlink(missing_ok=True)
    generator = {name: np.ascontiguousarray(value) for name, value in run.generator.items()}
    write_atomic(folder / "generator.safetensors", to_bytes(generator))
    if run.centres is None:
        (folder / "classes.safetensors").unlink(missing_ok=True)
    else:
        centres = {"centres": np.ascontiguousarray(run.centres)}
        write_atomic(folder / "classes.safetensors", to_bytes(centres))
    config = {
        "format": FORMAT,
        "settings": settings_to_json(run.settings),
        **_edits(run.names, run.becomes),
        "notes": notes or {},
    }
    _write_config(folder, config)


def write_names(folder: Path, names: Mapping[int, str], becomes: Mapping[int, int]) -> None:
    """Write the names of a RUN's classes, and what is merged and dropped; all else stays.

    Raises
    ------
    RunError
        Naming the file, if config.json is missing, broken or of another format.
    """
    config = _read_config(folder)
    config.pop("becomes", None)
    notes = config.pop("notes", {})
    _write_config(folder, {**config, **_edits(names, becomes), "notes": notes})


def read_config(folder: Path) -> tuple[Settings, dict[int, str]]:
    """Read the settings and the names of a RUN, and none of its weights.

    Raises
    ------
    RunError
        Naming the file, if it is missing, broken or of another format.
    """
    config = _read_config(folder)
    path = folder / "config.json"
    settings = settings_from_json(config.get("settings"), str(path))
    return settings, _names(config.get("names", {}), path)


def read_run(folder: Path) -> Run:
    """Read a RUN.

    Raises
    ------
    RunError
        Naming the file, if something is missing, broken, of another format, or does not fit.
    """
    settings, names = read_config(folder)
    generator = _tensors(folder / "generator.safetensors")
    centres = None
    if (folder / "classes.safetensors").exists():
        centres = _tensors(folder / "classes.safetensors").get("centres")
        if centres is None or centres.ndim != 2 or not 1 <= len(centres) <= 254:
            raise RunError(
                f"{folder / 'classes.safetensors'}: expected centres (C, D) of 1 to 254 classes"
            )
        centres = centres.astype(np.float32)
    count = 0 if centres is None else class_count(len(centres), background=settings.background)
    path = folder / "config.json"
    becomes = _becomes(_read_config(folder).get("becomes", {}), count, path)
    return Run(settings, generator, centres, names, becomes)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = parse_json(read_text(path))
    except FileNotFoundError:
        raise RunError(
            f"{folder} is no RUN: it has no config.json; `acseg fit INPUT -o {folder}` makes one"
        ) from None
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read {path}: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else None
        raise RunError(
            f"{path} is of format {found}, this acseg reads format {FORMAT}; "
            "fit again with this version, or use the version that wrote it"
        )
    return config


def _write_config(folder: Path, config: dict[str, Any]) -> None:
    write_atomic(folder / "config.json", json.dumps(config, indent=1, ensure_ascii=False) + "\n")


def _edits(names: Mapping[int, str], becomes: Mapping[int, int]) -> dict[str, Any]:
    """Make the part of config.json that `acseg name` writes; no entry where nothing is merged."""
    edits: dict[str, Any] = {"names": {str(c): name for c, name in sorted(names.items())}}
    if becomes:
        edits["becomes"] = {str(c): into for c, into in sorted(becomes.items())}
    return edits


def _names(found: Any, path: Path) -> dict[int, str]:
    if not isinstance(found, dict):
        raise RunError(f"{path}: expected a table of names")
    try:
        table = {int(c): name for c, name in found.items()}
    except ValueError as error:
        raise RunError(f"{path}: names stand under whole numbers; {error}") from error
    for c, name in table.items():
        if not isinstance(name, str) or len(name) > LONGEST_NAME or not 0 <= c <= VOID:
            raise RunError(
                f"{path}: class {c} is called {str(name)[:50]!r}; expected ids of 0 to {VOID} and "
                f"names of at most {LONGEST_NAME} characters"
            )
    return {c: safe_text(name) for c, name in table.items()}  # a terminal may show them


def _becomes(found: Any, count: int, path: Path) -> dict[int, int]:
    """Read what some of `count` classes become: a class that stays what it is, or void."""
    try:
        table = {int(c): into for c, into in found.items()}
    except (AttributeError, ValueError):
        raise RunError(f"{path}: expected under becomes a table of class ids") from None
    stay = {*range(count), VOID} - set(table)
    for c, into in table.items():
        if c not in range(count) or type(into) is not int or into not in stay:
            raise RunError(
                f"{path}: class {c} becomes {into!r}; expected one of the {count} classes, to "
                f"become one that stays, or {VOID}"
            )
    return table


def _tensors(path: Path) -> dict[str, NDArray[Any]]:
    try:
        check_file(path, MOST_TENSORS)
        tensors = load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"cannot read {path}: {error}") from error
    for name, values in tensors.items():
        if values.dtype.kind != "f":
            raise RunError(f"{path}: {name} holds {values.dtype}, expected floats; fit again")
        if not np.isfinite(values).all():
            raise RunError(f"{path}: {name} holds numbers that are not finite; fit again")
    return tensors
