"""Which way a collection goes over a cluster."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from acseg.cluster.ray_pass import RayWork, start_ray
from acseg.cluster.remote import run_remote
from acseg.cluster.store import is_remote
from acseg.collection import Outcome, run_collection
from acseg.model import ACSeg
from acseg.output.records import Kind

Progress = Callable[[str, int, int, str], None]


def run_spread(
    model: ACSeg,
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    address: str = "auto",
    kind: Kind = "concepts",
    title: str = "What was found",
    overlays: bool = True,
    overwrite: bool = False,
    progress: Progress = lambda task, done, of, note: None,
) -> Outcome:
    """Segment or classify a collection on a Ray cluster; the label maps are those of one machine.

    Where INPUT and OUT are local folders, all machines must see them under the same paths, and
    OUT is what one machine writes, with the report. Object stores and tar files go another way;
    see `acseg.cluster.remote.run_remote`.

    Parameters
    ----------
    address : str
        Of the cluster; see `acseg.cluster.ray_pass.start_ray`.
    model, inputs, out, kind, title, overlays, overwrite, progress
        As in `acseg.collection.run_collection`; INPUT and OUT may be addresses, INPUT tar files.
    """
    start_ray(address)  # what is missing is said before anything is written
    given = [whole_address(each) for each in inputs]
    target = whole_address(out)
    if is_remote(target) or any(is_remote(each) or _holds_tar(each) for each in given):
        return run_remote(
            model,
            given,
            target,
            kind=kind,
            overlays=overlays,
            overwrite=overwrite,
            address=address,
            progress=progress,
        )
    return run_collection(
        model,
        given,
        Path(target),
        kind=kind,
        title=title,
        overlays=overlays,
        overwrite=overwrite,
        by=RayWork(os.path.abspath(target), address),
        progress=progress,
    )


def whole_address(where: str | Path) -> str:
    """Give an address its two slashes back, of which `Path` leaves one (``s3:/bucket``)."""
    return re.sub(r"^([a-z][a-z0-9+.-]+):/(?=[^/])", r"\1://", str(where))


def _holds_tar(given: str) -> bool:
    path = Path(given)
    return path.suffix.lower() == ".tar" or (path.is_dir() and any(path.rglob("*.tar")))
