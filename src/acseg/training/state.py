"""The folder state/ of a model: what an unfinished `fit` resumes from, and how it goes away."""

import os
import shutil
from pathlib import Path

from acseg.model.folder import read_settings
from acseg.model.settings import Settings
from acseg.output.atomic import remove_partials, write_atomic

LOCK = "lock"
DONE = "done"  # written when RUN is whole


def unfinished(run: Path) -> bool:
    """Say whether a killed `fit` left something behind, be it only the tidying up."""
    return (run / "state").exists()


def is_whole(run: Path) -> bool:
    """Say whether a killed `fit` had written all of the folder and was only tidying up."""
    state = run / "state"
    if not (run / "config.json").exists() or not state.exists():
        return False
    return (state / DONE).exists() or {p.name for p in state.iterdir()} <= {LOCK}


def of_settings(run: Path, settings: Settings) -> bool:
    """Say whether a whole model folder was made with these settings."""
    return read_settings(run) == settings


def tidy(run: Path) -> None:
    """Note that the folder is whole and take state/ away; a kill in between leaves no doubt."""
    state = run / "state"
    write_atomic(state / DONE, "")
    _empty(state, but={DONE, LOCK})
    (state / DONE).unlink()
    _remove(state)


def remove_run(run: Path) -> None:
    """Delete a model, its state included; config.json first, so that no half of it looks whole."""
    (run / "config.json").unlink(missing_ok=True)
    _empty(run, but={"state"})
    if (run / "state").exists():
        _empty(run / "state", but={LOCK})
        _remove(run / "state")


def sweep(run: Path) -> None:
    """Remove the temporary files that a killed call left."""
    remove_partials(run)
    remove_partials(run / "state")


def _empty(folder: Path, *, but: set[str]) -> None:
    for path in folder.iterdir():
        if path.name in but:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _remove(state: Path) -> None:
    """Remove a state that holds nothing but the lock, which we hold."""
    try:
        (state / LOCK).unlink(missing_ok=True)
        os.rmdir(state)
    except OSError:  # Windows and NFS keep an open file; an empty folder harms nobody
        pass
